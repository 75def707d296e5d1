//! The words of the language: commands, with their options and flags. Taken from what the reader of each command asks for, so that nothing has to
//! be listed twice.

use std::collections::BTreeSet;

use crate::Scenario;
use crate::diagnostic::{Report, Words};
use crate::parse::read;

/// One of each command, each as short as can be. What else a command may hold, its reader says.
const SHORTEST: &[&str] = &[
    "stream S",
    "consumer S/C",
    "update stream S",
    "update consumer S/C",
    "delete stream S",
    "delete consumer S/C",
    "delete message S 1",
    "purge S",
    "info S",
    "publish s \"a\"",
    "fetch S/C",
    "c: ack 1",
    "c: nak 1",
    "c: in-progress 1",
    "c: term 1",
    "c: next 1",
    "c: subscribe s",
    "c: unsubscribe s",
    "request s",
    "client d",
    "c: disconnect",
    "c: reconnect",
    "c: crash",
    "restart",
    "kill",
    "fault f drop kind=ack",
    "fault g delay by=1s kind=ack",
    "fault h duplicate kind=ack",
    "fault i disconnect kind=ack",
    "fault j kill kind=ack",
    "fault k mark kind=ack",
    "clear f",
    "worker w S/C\n  on delivery-count=1 ack\n  otherwise nak",
    "worker v S/C\n  on delivery-count=1 in-progress\n  otherwise term",
    "stop w",
    "advance 1s",
    "settle",
    "check idle",
    "expect metric m_total +1",
    "expect no-other-metric",
    "expect alert A",
    "expect no-alert A",
];

/// All words: a command such as `publish`, and with it each of its options and flags, such as `publish id`.
pub fn vocabulary() -> BTreeSet<String> {
    words(&format!("title: t\n\n{}\n----\n", SHORTEST.join("\n")), |words| &words.known)
}

/// The words that a scenario uses.
pub fn words_of(scenario: &Scenario) -> BTreeSet<String> {
    words(&scenario.to_string(), |words| &words.taken)
}

fn words(text: &str, which: impl Fn(&Words) -> &Vec<&'static str>) -> BTreeSet<String> {
    let mut report = Report::new(text);
    read(text, &mut report);
    let with_options = |words: &Words| {
        let options = which(words).iter().map(|option| format!("{} {option}", words.of)).collect::<Vec<_>>();
        std::iter::once(words.of.clone()).chain(options)
    };
    report.words.iter().flat_map(with_options).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_that_the_readers_ask_for() {
        let all = vocabulary();
        for word in [
            "publish",
            "publish id",
            "fetch no-wait",
            "consumer ack-wait",
            "update stream max-age",
            "fault drop",
            "on payload",
            "nak delay",
        ] {
            assert_eq!(all.contains(word), word != "fault drop", "{word}: {all:?}");
        }
        let text = "title: t\n\nc: fetch S/C batch=2 no-wait\n----\n";
        let used: Vec<_> = words_of(&crate::parse(text).expect(text)).into_iter().collect();
        assert_eq!(used, ["fetch", "fetch batch", "fetch no-wait"]);
    }

    #[test]
    fn every_command_is_read_once() {
        let text = format!("title: t\n\n{}\n----\n", SHORTEST.join("\n"));
        assert!(crate::parse(&text).is_ok(), "{:?}", crate::parse(&text));
    }
}
