//! The example of a foreign event loop does what its page says.

#[expect(dead_code, reason = "the example's own entry point")]
#[path = "../examples/event_loop.rs"]
mod example;

#[test]
fn a_lost_acknowledgement_brings_the_message_again_after_exactly_ack_wait() {
    let mut out = Vec::new();
    example::run(&mut out).expect("a vector takes everything");
    let expected = r#"2ms: publisher: {"stream":"ORDERS","seq":1}
2ms: worker: orders.1, attempt 1
2ms: network: lost an acknowledgement
30.002s: worker: orders.1, attempt 2
30.003s: server: message 1 is acknowledged
"#;
    assert_eq!(String::from_utf8_lossy(&out), expected);
}
