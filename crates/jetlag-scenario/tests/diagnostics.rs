//! What is wrong with a text is said at the right place, with what was expected and what was meant.

use jetlag_scenario::{Diagnostic, parse, parse_bytes};

/// Takes the markers `⟦` and `⟧` out of a text: the text, and the bytes between them.
fn unmark(marked: &str) -> (String, std::ops::Range<usize>) {
    let start = marked.find('⟦').expect("a marked text");
    let text = marked.replace('⟦', "");
    let end = text.find('⟧').expect("the end of the marked part");
    (text.replace('⟧', ""), start..end)
}

/// Asserts that a text has one thing wrong with it: at the mark, with these words in its message and in its help.
fn assert_diagnostic(marked: &str, message: &str, help: &str) {
    let (text, span) = unmark(marked);
    let found = parse(&text).expect_err(&text);
    assert_one(&text, &found, &span, message, help);
}

fn assert_one(text: &str, found: &[Diagnostic], span: &std::ops::Range<usize>, message: &str, help: &str) {
    let [one] = found else { panic!("expected one diagnostic in\n{text}\nbut found {found:#?}") };
    assert_eq!(one.span, *span, "the span in\n{text}\n{one:#?}");
    let before = &text[..span.start];
    let column = before.rsplit('\n').next().expect("a line").chars().count() + 1;
    assert_eq!((one.line, one.column), (before.matches('\n').count() + 1, column), "{text}\n{one:#?}");
    assert!(one.message.contains(message), "{message:?} is not in {one:#?}");
    let helped = one.help.as_deref().unwrap_or_default();
    assert!(helped.contains(help) && help.is_empty() == helped.is_empty(), "{help:?} is not in {one:#?}");
    assert!(!one.label.is_empty(), "{one:#?}");
}

/// The same for the commands of one block.
fn assert_in_block(marked: &str, message: &str, help: &str) {
    assert_diagnostic(&format!("title: t\n\nclient w1\n{marked}\n----\nok\n"), message, help);
}

#[test]
fn lines() {
    for (text, message, help) in [
        ("⟦pubish⟧ a \"\"", "no command `pubish`", "did you mean `publish`?"),
        ("w1: ⟦nack⟧ 1", "no command `nack`", "did you mean `nak`?"),
        ("⟦zzz⟧", "no command `zzz`", "known are stream, "),
        ("⟦w1:fetch⟧ S/C", "no command", "write a space after the colon: `w1: fetch`"),
        ("w1: ⟦!fetch⟧ S/C", "no command", "`!w1: fetch`"),
        ("⟦0s⟧ w1: got x", "no command `0s`", "a line of a transcript"),
        ("⟦ok⟧", "no command `ok`", "a line of a transcript"),
        ("update ⟦steam⟧ S", "no command `update steam`", "did you mean `stream`?"),
        ("delete ⟦zzz⟧ S", "no command `delete zzz`", "known are stream, consumer, message"),
        ("update⟦⟧", "`update` needs stream or consumer", ""),
        ("w1:⟦⟧", "a line begins with a command", "known are"),
        ("⟦\"publish\"⟧ a", "a line begins with a command", "known are"),
        ("⟦a=b⟧", "a line begins with a command", "known are"),
        ("⟦w/1⟧: fetch S/C", "`w/1` can not be the name of a client", "letters, digits"),
        ("⟦(⟧settle", "a `(` is not closed", "`)`"),
        ("settle⟦)⟧", "a stray parenthesis", "encloses a whole line"),
        ("!⟦(⟧info S)", "a stray parenthesis", "without `!`"),
        ("publish a⟦(⟧b \"\"", "a stray parenthesis", "quotes"),
        ("⟦ack⟧ S/C:1", "`ack` needs a client", "write `w1: ack`"),
        ("⟦crash⟧", "`crash` needs a client", "write `w1: crash`"),
        ("⟦w1⟧: advance 5s", "`advance` is not done by a client", "leave `w1:` out"),
        ("!⟦advance⟧ 5s", "`advance` is never refused", "leave the `!` out"),
        ("⟦--⟧", "this is no separator", "four dashes"),
        ("info S\n  ⟦more⟧", "`info` takes no indented lines", "start of its line"),
    ] {
        assert_in_block(text, message, help);
    }
}

#[test]
fn words_and_strings() {
    for (text, message, help) in [
        ("publish a ⟦\"b⟧", "a string is not closed", "on the same line"),
        ("publish a ⟦\"b # c⟧", "a string is not closed", "on the same line"),
        ("publish a \"⟦\\q⟧\"", "no such escape", "hexadecimal"),
        ("publish a \"b⟦\\x⟧zz\"", "no such escape", "hexadecimal"),
        ("publish a \"b\"⟦c⟧", "a string ends here", ""),
        ("publish a⟦\"⟧b\" \"\"", "can not stand in a word without quotes", "quotes"),
        ("publish a⟦\\⟧b \"\"", "can not stand in a word without quotes", "quotes"),
        ("publish a⟦\u{a0}⟧b \"\"", "can not stand in a word without quotes", "quotes"),
        ("publish a \"\" id=⟦⟧ count=2", "`id=` without a value", "id=\"\""),
        ("publish ⟦\"\\xff\"⟧ a", "no UTF-8 text", "payloads"),
    ] {
        assert_in_block(text, message, help);
    }
}

#[test]
fn arguments() {
    for (text, message, help) in [
        ("publish⟦⟧", "`publish` needs a subject", ""),
        ("publish a⟦⟧ # later", "`publish` needs a payload", ""),
        ("publish a \"\" ⟦b⟧", "`publish` has no argument `b`", "known are header, reply"),
        ("publish a \"\" ⟦\"b\"⟧", "`publish` takes no further argument", ""),
        ("publish a \"\" ⟦cuont⟧=2", "`publish` has no option `cuont`", "did you mean `count`?"),
        ("publish a \"\" ⟦no-replay⟧", "`publish` has no argument `no-replay`", "did you mean `no-reply`?"),
        ("publish a \"\" ⟦no-reply=yes⟧", "`no-reply` stands alone", ""),
        ("publish a \"\" ⟦id⟧", "`id` needs a value", ""),
        ("publish a ⟦\"\"⟧ no-reply reply=b", "contradict each other", "keep one"),
        ("publish a \"\" no-reply ⟦no-reply⟧", "`no-reply` stands alone, once", ""),
        ("publish a \"\" id=1 id=⟦2⟧", "`id` is given twice", "keep one"),
        ("publish a \"\" count=⟦0⟧", "nothing would be published", ""),
        ("publish a \"\" count=⟦x⟧", "`x` is not a whole number", ""),
        ("publish a \"\" count=⟦-1⟧", "`-1` is out of range", ""),
        ("publish a \"\" count=⟦99999999999999999999⟧", "is out of range", ""),
        ("publish a \"\" count<=⟦2⟧", "`count` is set, not compared", "count=VALUE"),
        ("publish a \"\" header=⟦x⟧", "`x` is no header", "header=KEY:VALUE"),
        ("publish a \"\" header=⟦:x⟧", "is no header", "header=KEY:VALUE"),
        ("fetch ⟦S⟧", "`S` is not a consumer as STREAM/CONSUMER", ""),
        ("fetch ⟦/C⟧", "`/C` is not a consumer as STREAM/CONSUMER", ""),
        ("info ⟦S/⟧", "is not a stream, or a consumer", ""),
        ("fetch S/C expires=⟦5⟧", "\"5\" has no unit", "write 5s"),
        ("fetch S/C expires=⟦0⟧", "\"0\" has no unit", "write 0s"),
        ("fetch S/C expires=⟦5sec⟧", "\"sec\" is no unit of time", "units are h, m"),
        ("fetch S/C as=⟦a/b⟧", "can not be a name", "letters, digits"),
        ("w1: ack ⟦S/C⟧", "`S/C` is not a delivery", "count from 1"),
        ("w1: ack ⟦S/C:0⟧", "`S/C:0` is not a delivery", "count from 1"),
        ("w1: ack ⟦1#x⟧", "`1#x` is not a delivery", "count from 1"),
        ("w1: ack ⟦:1⟧", "`:1` is not a delivery", "count from 1"),
        ("w1: ack 1 ⟦delay⟧=5s", "`ack` has no option `delay`", "known are sync"),
        ("w1: nak 1 delay=⟦5⟧", "has no unit", "write 5s"),
        ("client ⟦\"\"⟧", "a name is empty", ""),
        ("client c reconnect=⟦maybe⟧", "`maybe` is neither yes nor no", ""),
        ("restart downtime=⟦-1s⟧", "can not be negative", ""),
        ("kill lost=⟦nothin⟧", "`lost` is never `nothin`", "did you mean `nothing`?"),
        ("kill lost=⟦3parsecs⟧", "no unit of time", "units are"),
        ("kill lost-state=⟦unwriten⟧", "`lost-state` is never `unwriten`", "did you mean `unwritten`?"),
        ("advance ⟦-5s⟧", "time does not go back", "only forwards"),
        ("advance ⟦30⟧", "\"30\" has no unit", "write 30s"),
        ("advance to ⟦30s⟧", "`30s` is no instant", "start+30s"),
        ("advance to ⟦start-30s⟧", "time does not go back", "only forwards"),
        ("advance to ⟦start+30⟧", "\"30\" has no unit", "write 30s"),
        ("check⟦⟧", "`check` needs what to check", ""),
        ("check ⟦ack-flor⟧", "no check `ack-flor`", "did you mean `ack-floor`?"),
        ("check ⟦everything⟧", "no check `everything`", "known are no-message-lost"),
        ("check idle ⟦idle⟧", "`idle` is given twice", "keep one"),
        ("delete message S ⟦x⟧", "not a whole number", ""),
    ] {
        assert_in_block(text, message, help);
    }
}

#[test]
fn settings() {
    for (text, message, help) in [
        ("consumer S/C ⟦ack-wiat⟧=30s", "`consumer` has no setting `ack-wiat`", "did you mean `ack-wait`?"),
        ("consumer S/C ⟦max_deliver⟧=3", "`consumer` has no setting `max_deliver`", "did you mean `max-deliver`?"),
        ("update consumer S/C ⟦retention⟧=limits", "`update consumer` has no setting `retention`", "a setting of a stream"),
        ("stream S ⟦ack-wait⟧=1s", "`stream` has no setting `ack-wait`", "a setting of a consumer"),
        ("stream S ⟦zzz⟧=1", "`stream` has no setting `zzz`", "known are subjects"),
        ("consumer S/C ack-policy=⟦explict⟧", "`ack-policy` is never `explict`", "did you mean `explicit`?"),
        ("consumer S/C deliver-policy=⟦last-per-subject⟧", "`deliver-policy` is never", "did you mean `last_per_subject`?"),
        ("consumer S/C ack-wait=⟦30⟧", "\"30\" has no unit", "write 30s"),
        ("consumer S/C backoff=1s,⟦5⟧,9s", "\"5\" has no unit", "write 5s"),
        ("consumer S/C backoff=⟦\"1s,5\"⟧", "\"5\" has no unit", "write 5s"),
        ("consumer S/C backoff=1s,⟦⟧,9s", "a list has an empty item", "joined by commas"),
        ("stream S subjects=a,⟦⟧", "a list has an empty item", "joined by commas"),
        ("consumer S/C max-deliver=⟦many⟧", "`many` is not a whole number", ""),
        ("consumer S/C headers-only=⟦1⟧", "neither yes nor no", ""),
        ("consumer S/C ⟦headers-only⟧", "`headers-only` needs a value", ""),
        ("consumer S/C ack-wait=1s ⟦ack-wait=2s⟧", "`ack-wait` is given twice", "keep one"),
        ("consumer S/C opt-start-time=⟦yesterday⟧", "`yesterday` is no instant", "start+10s"),
        ("consumer S/C pause-until=⟦start+5⟧", "\"5\" has no unit", "write 5s"),
        ("consumer S/C max-deliver<=⟦⟧", "`max-deliver<=` without a value", "for an empty one"),
    ] {
        assert_in_block(text, message, help);
    }
}

#[test]
fn faults() {
    const NEVER: &str = "a rule that can never match";
    for (text, message, help) in [
        ("fault⟦⟧", "`fault` needs an id", ""),
        ("fault f⟦⟧", "`fault` needs an effect", ""),
        ("fault f ⟦dorp⟧", "no effect `dorp`", "did you mean `drop`?"),
        ("fault ⟦f!⟧ drop", "can not be an id", "letters, digits"),
        ("fault ⟦-f⟧ drop", "can not be an id", "behind the first also `-`"),
        ("fault f delay⟦⟧", "`fault` needs by=D", ""),
        ("fault f delay by=⟦5⟧", "has no unit", "write 5s"),
        ("fault f delay ⟦by=2s..1s⟧", "by=2s..1s is no range", "the shorter delay first"),
        ("fault f delay ⟦by=-1s..1s⟧", "by=-1s lies in the past", "0s or more"),
        ("fault f delay ⟦by=0s⟧", "by=0s does nothing", "above 0s"),
        ("fault f slow ⟦by=0s⟧", "by=0s does nothing", "above 0s"),
        ("fault f slow ⟦by=-1s⟧", "by=-1s does nothing", "above 0s"),
        ("fault f slow by=⟦1s..2s⟧", "is not a duration", "write one such as"),
        ("fault f delay by=⟦1s..2⟧", "\"2\" has no unit", "write 2s"),
        ("fault f error⟦⟧", "needs the error's text", ""),
        ("fault f partition ⟦sideways⟧", "no direction `sideways`", "known are up, down, both"),
        ("fault f duplicate ⟦copies=0⟧", "copies=0 does nothing", "how many times more"),
        ("fault f disconnect ⟦reconnect=-1s⟧", "reconnect=-1s lies in the past", "0s or more"),
        ("fault f restart ⟦downtime=-1s⟧", "downtime=-1s lies in the past", "0s or more"),
        ("fault f kill ⟦downtime=-1s⟧", "downtime=-1s lies in the past", "0s or more"),
        ("fault f kill lost=⟦-1s⟧", "can not be negative", ""),
        ("fault f drop kind=⟦akc⟧", "no kind `akc`", "did you mean `ack`?"),
        ("fault f drop ⟦knid⟧=ack", "`fault` has no option `knid`", "did you mean `kind`?"),
        ("fault f drop probability=⟦0.5⟧", "`0.5` is no ratio", ""),
        ("fault f drop ⟦probability=3/2⟧", "3/2 is no probability", "above 0 and at most 1"),
        ("fault f drop ⟦probability=0/2⟧", "0/2 is no probability", "above 0 and at most 1"),
        ("fault f delay by=1s..2s ⟦over=0s⟧", "over=0s does nothing", "above 0s"),
        ("fault f delay ⟦by=1s..-2s⟧ over=1m", "by=-2s lies in the past", "0s or more"),
        ("fault f slow by=1s ⟦over⟧=1m", "`fault` has no option `over`", "known are by, kind"),
        ("fault f drop ⟦stream-seq=5..2⟧", "stream-seq=5..2 is no range", "the smaller number first"),
        ("fault f drop ⟦delivery-count=0..⟧", "a rule that can never match: deliveries are counted from 1", ""),
        ("fault f drop delivery-count=⟦..3⟧", "`` is not a whole number", ""),
        ("fault f drop header=⟦tenant⟧", "`tenant` is no field of a header", ""),
        ("fault f drop kind=pull ⟦header=a:b⟧", "pull has no header", "leave out one of the two"),
        ("fault f drop kind=pub-ack ⟦payload-contains=a⟧", "pub-ack has no payload-contains", "leave out one of the two"),
        ("fault f drop ⟦nth=2,1⟧", "the places of nth are not in order", "such as nth=1,3,4"),
        ("fault f drop ⟦nth=0,1⟧", "matches are counted from 1", ""),
        ("fault f drop nth=⟦1,⟧", "`` is not a whole number", ""),
        ("fault f drop ⟦burst=5/5⟧", "burst=5/5 is no share", "`always` for all"),
        ("fault f drop ratio=⟦30%⟧", "`30%` is no ratio", ""),
        ("fault f drop ⟦ratio=0/5⟧", "ratio=0/5 is no share", "above 0 and below 1"),
        ("fault f drop nth=2 ⟦ratio=1/5⟧", "`ratio` contradicts `nth`", ""),
        ("fault f partition up ⟦ratio=1/5⟧", "a partition lasts for a time", "limit it by from, to, after, until"),
        ("fault f drop after=⟦g⟧", "no fault rule `g` above to wait for", ""),
        ("fault third mark kind=nak\nfault f drop until=⟦thrid⟧", "no fault rule `thrid` above", "did you mean `third`?"),
        ("fault f drop ⟦after=f⟧", "it waits for itself", "such as one that is a mark"),
        ("fault f drop ⟦every=5s⟧", "`every` without `for`", "every=D for=D"),
        ("fault f drop ⟦for=5s⟧", "`for` without `every`", "every=D for=D"),
        ("fault f drop every=1s ⟦for=2s⟧", "every=1s for=2s is no cycle", "at most the whole"),
        ("fault f drop every=1s ⟦for=0s⟧", "every=1s for=0s is no cycle", "above 0s"),
        ("fault f drop first=1 ⟦nth=2⟧", NEVER, ""),
        ("fault f drop first=1 ⟦always⟧", NEVER, ""),
        ("fault f drop ⟦first=0⟧", "a rule that can never match: it would act no times", ""),
        ("fault f drop ⟦nth=0⟧", "a rule that can never match: matches are counted from 1", ""),
        ("fault f drop kind=ack ⟦stream-seq=0⟧", NEVER, ""),
        ("fault f drop ⟦delivery-count=0⟧", NEVER, ""),
        ("publish a \"\" ⟦for=1m⟧", "nothing says how often: write `every=D` too", ""),
        ("publish a \"\" every=1s for=1m ⟦count=2⟧", "`count` and `for` both say when to stop", ""),
        ("publish a \"\" ⟦every=0s⟧ for=1m", "`every=0s` is no time at all", ""),
        ("publish a \"\" every=⟦-1s⟧ count=2", "can not be negative", ""),
        ("fault f drop kind=publish ⟦delivery-count=1⟧", "a rule that can never match: publish has no delivery-count", "leave out one"),
        ("fault f drop kind=publish ⟦stream=S⟧", "publish has no stream", "leave out one"),
        ("fault f drop kind=api-reply ⟦consumer=C⟧", "api-reply has no consumer", "leave out one"),
        ("fault f drop kind=message ⟦stream=S⟧", "message has no stream", "leave out one"),
        ("fault f drop kind=pull ⟦subject=a⟧", "pull has no subject", "leave out one"),
        ("fault f drop kind=status ⟦subject=a⟧", "status has no subject", "leave out one"),
        ("fault f drop kind=heartbeat ⟦subject=a⟧", "heartbeat has no subject", "leave out one"),
        ("fault f drop kind=pull ⟦stream-seq=1⟧", "pull has no stream-seq", "leave out one"),
        ("fault f drop kind=pub-ack ⟦consumer=C⟧", "pub-ack has no consumer", "leave out one"),
        ("fault f drop from=5s ⟦to=5s⟧", NEVER, ""),
        ("fault f drop ⟦to=0s⟧", NEVER, ""),
        ("fault f drop ⟦from=-1s⟧", "from=-1s is before the start of the run", "0s or more"),
        ("fault f drop ⟦subject=a..b⟧", NEVER, ""),
        ("fault f partition up ⟦kind=ack⟧", "a partition cuts everything on a link, so it can not ask for kind", "match by client alone"),
        ("fault f partition up ⟦stream-seq=1⟧", "so it can not ask for stream-seq", "match by client alone"),
        ("fault f partition up ⟦first=1⟧", "a partition lasts for a time", "not by count or probability"),
        ("fault f partition up ⟦nth=1⟧", "a partition lasts for a time", "not by count or probability"),
        ("fault f partition up ⟦probability=1/2⟧", "a partition lasts for a time", "not by count or probability"),
        ("fault f reply-lost ⟦kind=delivery⟧", "delivery has no reply to lose", "its kinds are publish, api, ack"),
        ("fault f reply-lost ⟦kind=pull⟧", "a rule that can never match: pull has no reply to lose", "its kinds are publish, api, ack"),
        ("fault f reply-lost ⟦kind=next⟧", "next has no reply to lose", "its kinds are publish, api, ack"),
        ("fault f slow by=1s ⟦kind=ack⟧", "slow is about handling deliveries, not about ack", ""),
        ("fault f error \"x\" ⟦kind=message⟧", "message is sent by the server", "use drop"),
        ("fault f error \"x\" ⟦kind=pub-ack⟧", "pub-ack is sent by the server", "use drop"),
        ("fault f drop client=⟦w2⟧", "there is no client `w2`", "did you mean `w1`?"),
        ("fault f drop\nfault ⟦f⟧ drop", "there is a fault rule `f` already, since line 4", "`clear f`"),
        ("fault lost drop\nclear ⟦last⟧", "no fault rule `last`", "did you mean `lost`?"),
        ("fault f drop\nclear f\nclear ⟦f⟧", "no fault rule `f` at this place", ""),
    ] {
        assert_in_block(text, message, help);
    }
}

#[test]
fn workers() {
    for (text, message, help) in [
        ("worker w2⟦⟧", "`worker` needs a consumer", ""),
        ("worker w2 S/C ⟦bacth⟧=1", "`worker` has no option `bacth`", "did you mean `batch`?"),
        ("worker w2 S/C batch=⟦0⟧", "ask for nothing", ""),
        ("worker w2 S/C handler=h a=1 ⟦a=2⟧", "`a` is given twice", "keep one"),
        ("worker w2 S/C handler=h\n  ⟦otherwise ack⟧", "a worker with a handler has no rules", "handler=h"),
        ("worker w2 S/C\n  ⟦othrwise⟧ ack", "begins with on or otherwise", "did you mean `otherwise`?"),
        ("worker w2 S/C\n  on⟦⟧ ack", "`on` without a condition", "write `otherwise`"),
        ("worker w2 S/C\n  on subject=a⟦⟧", "`rule` needs an action", ""),
        ("worker w2 S/C\n  on ⟦delivry-count⟧=1 ack", "`on` has no option `delivry-count`", "did you mean `delivery-count`?"),
        ("worker w2 S/C\n  on ⟦stream-seq=0⟧ ack", "a rule that can never match", ""),
        ("worker w2 S/C\n  on delivery-count<=⟦0⟧ ack", "a rule that can never match", ""),
        ("worker w2 S/C\n  on subject=⟦a..b⟧ ack", "a rule that can never match", ""),
        ("worker w2 S/C\n  otherwise ack\n  ⟦on subject=a nak⟧", "a rule that can never match", "put it last"),
        ("worker w2 S/C\n  otherwise ⟦subject=a⟧ ack", "`otherwise` has no conditions", "`on`"),
        ("worker w2 S/C\n  otherwise ⟦nack⟧", "no action `nack`", "did you mean `nak`?"),
        ("worker w2 S/C\n  otherwise ⟦ack,nak⟧", "no action `ack,nak`", "a space after the comma"),
        ("worker w2 S/C\n  otherwise ack,⟦⟧", "`rule` needs an action", ""),
        ("worker w2 S/C\n  otherwise ack ⟦delay⟧=1s", "`ack` has no option `delay`", "known are"),
        ("worker w2 S/C\n  otherwise nak delay=⟦1⟧", "has no unit", "write 1s"),
        ("worker w2 S/C\n  otherwise ack after=⟦-1s⟧", "can not be negative", ""),
        ("worker w2 S/C\n  ⟦otherwise ignore, ack⟧", "`ignore` stands alone", ""),
        ("worker w2 S/C\nworker ⟦w2⟧ S/D", "there is a worker `w2` already, since line 4", "`stop w2`"),
        ("worker w2 S/C\nstop ⟦w3⟧", "no worker `w3`", "did you mean `w2`?"),
    ] {
        assert_in_block(text, message, help);
    }
    assert_in_block("worker w2 S/C\n  on subject=a ⟦delivery-count<2⟧", "no action `delivery-count<2`", "=, <= or >=");
}

#[test]
fn time_does_not_go_back() {
    assert_in_block("advance 10s\nsettle\n⟦advance to start+5s⟧", "10s have passed here", "");
    assert_in_block("advance to start+10s\n⟦advance to start+9.999s⟧", "10s have passed here", "");
}

#[test]
fn blocks() {
    for (text, message, help) in [
        ("title: t\n\ninfo S⟦⟧\n", "a missing `----`", "filled in by blessing"),
        ("title: t\n\ninfo S\ninfo T⟦⟧\n# behind\n\ninfo U\n----\n", "a missing `----`", "filled in by blessing"),
        ("title: t\n\ninfo S⟦⟧\n\n----\nok\n", "a missing `----`", "remove the blank line"),
        ("title: t\n\n⟦----⟧\nok\n", "no commands above `----`", "remove"),
        ("title: t\n\n# only this\n⟦----⟧\nok\n", "no commands above `----`", "remove"),
        ("title: t\n\ninfo S\n----\nok\n⟦----⟧\nok\n", "a second `----` without a condition", "server<2.11.0: reason"),
        ("title: t\n\ninfo S\n⟦---- server<2.11.0: old⟧\nok\n", "the first `----` has a condition", "newest"),
        ("title: t\n\ninfo S\n----\nok\n---- server<2.11.0⟦⟧\nok\n", "a condition without a reason", "server<2.11.0: reason"),
        ("title: t\n\ninfo S\n----\nok\n---- server⟦<2.11⟧: old\nok\n", "\"2.11\" is not a version", "server<2.11.0: reason"),
        ("title: t\n\ninfo S\n----\nok\n---- server⟦>=2.12.0,<2.11.0⟧: x\n", "no version is inside", "server<2.11.0: reason"),
        ("title: t\n\ninfo S\n----\nok\n---- ⟦sever<2.11.0: old⟧\nok\n", "no condition", "server<2.11.0: reason"),
        ("title: t\n\ninfo S\n----⟦-⟧\nok\n", "no condition", "or `----` alone"),
        ("title: t\n\n  ⟦info S⟧\n----\nok\n", "an indented line that belongs to no command", "start of its line"),
    ] {
        assert_diagnostic(text, message, help);
    }
}

#[test]
fn headers() {
    for (text, message, help) in [
        ("⟦⟧", "the header has no title", "`title: `"),
        ("⟦⟧info S\n----\nok\n", "the header has no title", "`title: `"),
        ("⟦⟧seed: 2\n", "the header has no title", "`title: `"),
        ("# c\n⟦⟧seed: 2\n", "the header has no title", "`title: `"),
        ("title:⟦⟧\n", "`title` is empty", "leave the line out"),
        ("⟦titel⟧: t\n", "no header key `titel`", "did you mean `title`?"),
        ("title: t\n⟦ttle⟧: t\n", "no header key `ttle`", "did you mean `title`?"),
        ("title: t\n⟦zzz⟧: t\n", "no header key `zzz`", "known are title"),
        ("title: t\n⟦title⟧: t\n", "`title` is given twice", "keep one"),
        ("title: t\n⟦info S⟧\n", "this is no header line", "a blank line ends the header"),
        ("title: t\nseed: ⟦one⟧\n", "`one` is no seed", ""),
        ("title: t\nseed: ⟦-1⟧\n", "`-1` is no seed", ""),
        ("title: t\nserver: ⟦2.11.0⟧\n", "has no comparison", ""),
        ("title: t\nids: ⟦a,,b⟧\n", "a list has an empty item", ""),
        ("title: t\nconform: ⟦no⟧\n", "neither yes nor a reasoned no", "conform: no - "),
        ("title: t\ndiffers: ⟦<2.11.0⟧\n", "has no evidence", "differs: <2.11.0 - "),
        ("title: t\ndiffers: ⟦<2.11.0 - it is like that⟧\n", "can not be looked up", "server/consumer.go"),
        ("title: t\ndiffers: ⟦2.11.0 - #12 it is like that⟧\n", "no comparison", ""),
        ("title: t\nconform: ⟦maybe - x⟧\n", "neither yes nor a reasoned no", "conform: no - "),
        ("title: t⟦\r⟧\n", "a carriage return", "Unix line ends"),
        ("⟦\u{feff}⟧title: t\n", "a byte order mark", "without one"),
    ] {
        assert_diagnostic(text, message, help);
    }
}

#[test]
fn what_is_not_utf_8_has_a_place() {
    let bytes = b"title: t\n\npublish \xc3\xb6 \xff\xfe\n";
    let found = parse_bytes(bytes).expect_err("not UTF-8");
    let [one] = &found[..] else { panic!("{found:?}") };
    assert_eq!((one.line, one.column, one.span.clone()), (3, 11, 21..22));
    assert!(one.message.contains("0xff") && one.help.as_deref().is_some_and(|help| help.contains("\\xNN")), "{one:?}");
    assert_eq!(parse_bytes(b"title: t\n"), parse("title: t\n"));
}

#[test]
fn everything_that_is_wrong_is_reported_in_order() {
    let text =
        "title: t\nsed: 4\n\npubish a\nconsumer S/C ack-wait=30 backoff=1,2 max_deliver=3\nfetch S/C batch=x as=a/b zzz=1\n\nadvance -5s\n";
    let found = parse(text).expect_err("many errors");
    let places: Vec<_> = found.iter().map(|one| (one.line, one.column)).collect();
    assert_eq!(places, [(2, 1), (4, 1), (5, 23), (5, 34), (5, 36), (5, 38), (6, 17), (6, 22), (6, 26), (6, 31), (8, 9), (8, 12)]);
}

#[test]
fn a_diagnostic_prints_in_one_line() {
    let found = parse("title: t\n\npubish a \"\"\n----\n").expect_err("a misspelt command");
    assert_eq!(found[0].to_string(), "3:1: no command `pubish` (did you mean `publish`?)");
}

#[test]
fn expectations() {
    for (text, message, help) in [
        ("expect⟦⟧", "`expect` needs metric or no-other-metric or alert or no-alert", ""),
        ("expect ⟦metrics⟧ a_total +1", "no command `expect metrics`", "did you mean `metric`?"),
        ("expect metric⟦⟧", "`expect metric` needs a metric's name", ""),
        ("expect metric a_total⟦⟧", "needs a change such as +2, or a value such as 2", ""),
        ("expect metric a_total ⟦twice⟧", "`twice` is neither a change nor a value", "a sign says by how much"),
        ("expect metric a_total ⟦1.0005⟧", "`1.0005` is neither", "three decimal places"),
        ("expect metric ⟦a-b⟧ +1", "`a-b` is no name of a metric", "letters, digits and `_`"),
        ("expect metric a_total +1 ⟦x-y⟧=1", "`x-y` is no label", "write x_y"),
        ("expect metric a_total +1 x=1 ⟦x=2⟧", "`x` is given twice", "keep one"),
        ("expect metric a_total +1 ⟦more⟧", "`expect metric` has no argument `more`", ""),
        ("expect no-other-metric ⟦a*b⟧", "`a*b` is no name", "letters, digits"),
        ("expect alert⟦⟧", "`expect alert` needs an alert's name", ""),
        ("⟦w1⟧: expect alert A", "`expect` is not done by a client", "leave `w1:` out"),
        ("!⟦expect⟧ alert A", "`expect` is never refused", "leave the `!` out"),
    ] {
        assert_in_block(text, message, help);
    }
}
