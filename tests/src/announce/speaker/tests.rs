use super::*;

const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
const ASKER: Mac = Mac([2, 0, 0, 0, 0, 2]);
const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 20, 200);

#[test]
fn questions_for_the_address_are_answered() {
    let ask = |from: Ipv4Addr, to: Ipv4Addr| {
        Arp { operation: 1, sender: (ASKER, from), target: (Mac([0; 6]), to) }.frame(Mac([0xff; 6]))
    };
    let client = Ipv4Addr::new(10, 0, 20, 50);
    let answer = answer_arp(&ask(client, IP), IP, OWN).unwrap();
    assert_eq!(answer, Arp { operation: 2, sender: (OWN, IP), target: (ASKER, client) }.frame(ASKER));
    assert_eq!(answer_arp(&ask(client, client), IP, OWN), None);
    assert_eq!(answer_arp(&ask(IP, IP), IP, OWN), None, "an announcement");
    assert_eq!(answer_arp(&answer, IP, OWN), None, "an answer");
    assert_eq!(answer_arp(&[0; 20], IP, OWN), None);
}
