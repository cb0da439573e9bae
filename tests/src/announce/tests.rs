use super::*;

#[test]
fn metallb_sends_ten_frames() {
    let frames = Pattern::METALLB.frames("10.0.20.200".parse().unwrap(), Mac([2, 0, 0, 0, 0, 1]));
    assert_eq!(frames.len() * Pattern::METALLB.rounds as usize, 10);
    assert!(frames.iter().all(|frame| frame[..6] == [0xff; 6]));
    assert_eq!([frames[0][21], frames[1][21]], [1, 2], "a request, then a reply");
    assert_eq!(Pattern::KUBE_VIP.frames("10.0.20.200".parse().unwrap(), Mac([2; 6])).len(), 1);
}
