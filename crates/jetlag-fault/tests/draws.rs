//! What must not move a draw, and what holds for any set of rules.

use jetlag_fault::*;
use jetlag_model::{DeliveryCount, Duration, StreamSeq, Time};
use proptest::prelude::*;

const KINDS: [CrossingKind; 4] = [CrossingKind::Ack, CrossingKind::Delivery, CrossingKind::Nak, CrossingKind::Term];

/// Which of a few messages, kinds and clients; alike ones are the same crossing tried again.
type Spec = (usize, bool, u64, u64);

fn crossing((kind, first, seq, count): Spec) -> Crossing<'static> {
    Crossing {
        stream: Some("S"),
        consumer: Some("C"),
        stream_seq: Some(StreamSeq(seq)),
        delivery_count: Some(DeliveryCount(count)),
        answered: true,
        ..Crossing::new(KINDS[kind], if first { "w1" } else { "w2" })
    }
}

fn crossings() -> impl Strategy<Value = Vec<Spec>> {
    proptest::collection::vec((0..KINDS.len(), any::<bool>(), 1_u64..4, 1_u64..3), 1..40)
}

fn chance(id: &str, effect: Effect) -> Rule {
    let probability = Some(Probability { numerator: 1, denominator: 3 });
    Rule { id: id.into(), matcher: Match::default(), when: When { probability, ..When::default() }, effect }
}

/// A delay by chance, and by a length that is drawn too.
fn jitter(id: &str) -> Rule {
    chance(id, Effect::Delay { min: Duration::from_nanos(1), max: Duration::from_secs(1) })
}

fn effect() -> impl Strategy<Value = Effect> {
    let length = || (1_i64..1_000).prop_map(Duration::from_nanos);
    prop_oneof![
        Just(Effect::Drop),
        Just(Effect::ReplyLost),
        Just(Effect::Crash),
        Just(Effect::Partition(Partition::Up)),
        Just(Effect::Disconnect { reconnect: None }),
        "[a-c]".prop_map(|text| Effect::Error(text.into())),
        (1_u64..4).prop_map(|copies| Effect::Duplicate { copies }),
        length().prop_map(|by| Effect::Slow { by }),
        Just(Effect::Mark),
        (length(), length()).prop_map(|(first, over)| Effect::Ramp { first, last: first, over }),
        length().prop_map(|by| Effect::Delay { min: by, max: by }),
        length().prop_map(|downtime| Effect::Restart { downtime }),
    ]
}

fn rules(seed: u64, added: impl IntoIterator<Item = Rule>) -> Rules {
    let mut rules = Rules::new(seed);
    added.into_iter().for_each(|rule| rules.add(Time::START, rule).unwrap());
    rules
}

/// What the rule of this id did to each crossing.
fn delays_by(id: &str, rules: &mut Rules, crossings: &[Spec]) -> Vec<Option<Duration>> {
    let of = |verdict: Verdict| verdict.delays.into_iter().find(|(rule, _)| **rule == *id).map(|(_, delay)| delay);
    crossings.iter().map(|spec| of(rules.evaluate(Time::START, &crossing(*spec)))).collect()
}

proptest! {
    #[test]
    fn another_rule_moves_no_draw(seed: u64, crossings in crossings()) {
        let alone = delays_by("j", &mut rules(seed, [jitter("j")]), &crossings);
        let copies = |id| chance(id, Effect::Duplicate { copies: 1 });
        let amid = delays_by("j", &mut rules(seed, [jitter("a"), copies("b"), jitter("j"), copies("z")]), &crossings);
        prop_assert_eq!(amid, alone);
    }

    #[test]
    fn a_message_removed_moves_no_draw_of_the_others(seed: u64, crossings in crossings(), removed in 1_u64..4) {
        let all = delays_by("j", &mut rules(seed, [jitter("j")]), &crossings);
        let rest: Vec<Spec> = crossings.iter().copied().filter(|(_, _, seq, _)| *seq != removed).collect();
        let expected: Vec<_> = crossings.iter().zip(all).filter(|((_, _, seq, _), _)| *seq != removed).map(|(_, delay)| delay).collect();
        prop_assert_eq!(delays_by("j", &mut rules(seed, [jitter("j")]), &rest), expected);
    }

    #[test]
    fn a_window_moves_no_draw_within_it(seed: u64, crossings in crossings(), opens in 0_usize..40) {
        let mut late = jitter("j");
        late.when.from = Some(Duration::from_nanos(opens as i64));
        let at = |(index, spec): (usize, &Spec), rules: &mut Rules| rules.evaluate(Time::from_nanos(index as u64), &crossing(*spec)).delay();
        let (mut whole, mut part) = (rules(seed, [jitter("j")]), rules(seed, [late]));
        for (index, spec) in crossings.iter().enumerate() {
            let (expected, found) = (at((index, spec), &mut whole), at((index, spec), &mut part));
            prop_assert_eq!(found, if index < opens { Duration::ZERO } else { expected });
        }
    }

    /// What a rule looks at, and how it counts, says on what it acts; what it draws there is the same.
    #[test]
    fn neither_an_event_nor_a_match_moves_a_draw(seed: u64, crossings in crossings(), first in 1_u64..4, event in 0_u64..20) {
        let plain = delays_by("j", &mut rules(seed, [jitter("j")]), &crossings);
        let mut picky = jitter("j");
        picky.matcher.stream_seq = Some(Numbers { first, last: None });
        picky.when.after = Some("event".into());
        let nth = Some(Occurrence::Nth(vec![event + 1]));
        let mark = Rule { id: "event".into(), matcher: Match::default(), when: When { occurrence: nth, ..When::default() }, effect: Effect::Mark };
        let found = delays_by("j", &mut rules(seed, [mark, picky]), &crossings);
        for (index, ((_, _, seq, _), (found, plain))) in crossings.iter().zip(found.into_iter().zip(plain)).enumerate() {
            prop_assert_eq!(found, if *seq >= first && index as u64 > event { plain } else { None });
        }
    }

    /// So many of each so many, wherever one begins to count: `ratio` spreads them, `burst` puts them first.
    #[test]
    fn shares_are_exact(acting in 1_u64..9, more in 1_u64..9, rounds in 1_usize..5) {
        let of = acting + more;
        let acts = |occurrence| -> Vec<bool> {
            let when = When { occurrence: Some(occurrence), ..When::default() };
            let mut rules = rules(1, [Rule { id: "r".into(), matcher: Match::default(), when, effect: Effect::Drop }]);
            (0..of as usize * rounds).map(|_| rules.evaluate(Time::START, &crossing((0, true, 1, 1))).fate != Fate::Pass).collect()
        };
        for round in acts(Occurrence::Burst { acting, of }).chunks(of as usize) {
            prop_assert!(round.iter().enumerate().all(|(place, acts)| *acts == ((place as u64) < acting)));
        }
        let spread = acts(Occurrence::Ratio { acting, of });
        for length in 1..=spread.len() {
            for window in spread.windows(length) {
                let (hits, exact) = (window.iter().filter(|acts| **acts).count() as u64 * of, length as u64 * acting);
                prop_assert!(hits.abs_diff(exact) < of, "{} of {} at {}/{}", hits / of, length, acting, of);
            }
        }
        for round in spread.chunks(of as usize) {
            prop_assert_eq!(round.iter().filter(|acts| **acts).count() as u64, acting);
            prop_assert_eq!(round.last(), Some(&true));
        }
    }

    #[test]
    fn ramps_stay_between_their_ends(first in 0..i64::MAX, last in 0..i64::MAX, over in 1..i64::MAX, at: u32) {
        let [first, last, over] = [first, last, over].map(Duration::from_nanos);
        let ramp = Rule { id: "r".into(), matcher: Match::default(), when: When::default(), effect: Effect::Ramp { first, last, over } };
        let delay = rules(1, [ramp]).evaluate(Time::from_nanos(at.into()), &crossing((0, true, 1, 1))).delay();
        prop_assert!(first.min(last) <= delay && delay <= first.max(last));
    }

    #[test]
    fn the_same_seed_draws_the_same(seed: u64, crossings in crossings()) {
        let run = || delays_by("j", &mut rules(seed, [jitter("j")]), &crossings);
        prop_assert_eq!(run(), run());
    }

    /// Rules in any order, evaluated one by one, against what the combination must be.
    #[test]
    fn combination(effects in proptest::collection::vec(effect(), 0..12), spec in (0..KINDS.len(), any::<bool>(), 1_u64..4, 1_u64..3)) {
        let crossing = crossing(spec);
        let named: Vec<(RuleId, Effect)> =
            effects.into_iter().enumerate().map(|(index, effect)| (format!("r{index}").into(), effect)).collect();
        let make = |(id, effect): &(RuleId, Effect)| Rule {
            id: id.clone(),
            matcher: Match::default(),
            when: When { occurrence: Some(Occurrence::Always), ..When::default() },
            effect: effect.clone(),
        };
        let together = rules(1, named.iter().map(make)).evaluate(Time::START, &crossing);
        let single: Vec<Verdict> = named.iter().map(|rule| rules(1, [make(rule)]).evaluate(Time::START, &crossing)).collect();

        let fates = || single.iter().map(|verdict| &verdict.fate);
        let dropped = fates().find(|fate| matches!(fate, Fate::Drop(_)));
        let fate = dropped.or(fates().find(|fate| matches!(fate, Fate::Error(..)))).cloned().unwrap_or_default();
        prop_assert_eq!(&together.fate, &fate);
        prop_assert_eq!(together.hits.clone(), single.iter().flat_map(|verdict| verdict.hits.clone()).collect::<Vec<_>>());
        prop_assert_eq!(together.actions.clone(), single.iter().flat_map(|verdict| verdict.actions.clone()).collect::<Vec<_>>());
        if fate == Fate::Pass {
            let delay = single.iter().fold(Duration::ZERO, |sum, verdict| sum + verdict.delay());
            prop_assert_eq!((together.delay(), together.copies()), (delay, single.iter().map(Verdict::copies).sum()));
            prop_assert_eq!(together.slowness(), single.iter().fold(Duration::ZERO, |sum, verdict| sum + verdict.slowness()));
            prop_assert_eq!(together.reply_lost, single.iter().find_map(|verdict| verdict.reply_lost.clone()));
        } else {
            prop_assert_eq!((together.delay(), together.copies(), together.slowness()), (Duration::ZERO, 0, Duration::ZERO));
            prop_assert_eq!(together.reply_lost, None);
        }
    }
}
