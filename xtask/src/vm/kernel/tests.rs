use super::*;

#[test]
fn payload_of_an_image() {
    let mut image = vec![0; 2048];
    image[0x1f1] = 1;
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x248] = 16;
    image[0x24c] = 12;
    image[1024 + 16..][..12].copy_from_slice(b"compressed!!");
    assert_eq!(payload(&image), Some(&b"compressed!!"[..]));
    image[0x24d] = 0xff;
    assert_eq!(payload(&image), None, "a length past the end");
    assert_eq!(payload(b"short"), None);
}
