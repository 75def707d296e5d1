//! Settings of streams and consumers, as random programs use them. Small numbers, so that limits are met; durations in whole waits.

use crate::drawer::Drawer;

/// The last tokens of subjects.
const TOKENS: [&str; 3] = ["a", "b", "c"];

/// Settings for `stream NAME` or, with `update`, for a change of it.
pub(crate) fn stream(drawer: &mut Drawer, name: &str, update: bool) -> String {
    let of = "stream";
    let letter = name.to_lowercase();
    let mut line = String::new();
    let line = &mut line;
    if !update || drawer.uses("stream subjects", 10) {
        let subjects = [
            format!("{letter}.*"),
            format!("{letter}.*"),
            format!("{letter}.>"),
            format!("{letter}.a,{letter}.b"),
            format!("{letter}.*,{letter}x.>"),
        ];
        let subjects = drawer.chance.pick(&subjects);
        line.push_str(&format!(" subjects={subjects}"));
    }
    drawer.option(line, of, "description", 10, |_| "text".to_owned());
    drawer.option(line, of, "retention", 20, |d| d.chance.pick(&["limits", "interest", "interest", "workqueue"]).to_owned());
    drawer.option(line, of, "max-consumers", 10, |d| d.chance.pick(&["1", "2", "-1"]).to_owned());
    drawer.option(line, of, "max-msgs", 35, |d| d.chance.pick(&["1", "2", "3", "4", "6", "0", "-1"]).to_owned());
    drawer.option(line, of, "max-bytes", 25, |d| d.chance.pick(&["50", "100", "150", "250"]).to_owned());
    let discards = ["old", "new", "new", "new"];
    drawer.option(line, of, "discard", 40, |d| d.chance.pick(&discards).to_owned());
    let new = line.contains("discard=new");
    drawer.option(line, of, "max-msgs-per-subject", 40, |d| d.chance.pick(&["1", "1", "2", "3"]).to_owned());
    drawer.option(line, of, "discard-new-per-subject", if new { 60 } else { 8 }, |d| d.chance.pick(&["yes", "yes", "no"]).to_owned());
    drawer.option(line, of, "max-msg-size", 15, |d| d.chance.pick(&["2", "8", "30", "-1"]).to_owned());
    drawer.option(line, of, "max-age", 25, |d| d.wait().to_string());
    drawer.option(line, of, "duplicate-window", 40, |d| d.wait().to_string());
    if !update || drawer.chance.percent(10) {
        drawer.option(line, of, "storage", 50, |d| d.chance.pick(&["file", "memory", "memory"]).to_owned());
    }
    drawer.option(line, of, "num-replicas", 8, |d| d.chance.pick(&["1", "1", "1", "3", "-1"]).to_owned());
    drawer.option(line, of, "no-ack", 8, |d| d.chance.pick(&["yes", "no"]).to_owned());
    if !update || drawer.chance.percent(15) {
        drawer.option(line, of, "first-seq", 20, |d| d.chance.pick(&["1", "5", "10"]).to_owned());
    }
    drawer.option(line, of, "allow-direct", 10, |d| d.chance.pick(&["yes", "no"]).to_owned());
    drawer.option(line, of, "deny-delete", 10, |d| d.chance.pick(&["yes", "no"]).to_owned());
    drawer.option(line, of, "deny-purge", 10, |d| d.chance.pick(&["yes", "no"]).to_owned());
    drawer.option(line, of, "allow-rollup-hdrs", 50, |d| d.chance.pick(&["yes", "yes", "yes", "no"]).to_owned());
    drawer.option(line, of, "sealed", if update { 12 } else { 2 }, |_| "yes".to_owned());
    std::mem::take(line)
}

/// Settings for `consumer S/C` or, with `update`, for a change of it. `letter` is how the stream's subjects begin.
pub(crate) fn consumer(drawer: &mut Drawer, name: &str, letter: &str, push: bool, update: bool) -> String {
    let of = "consumer";
    let mut line = String::new();
    let line = &mut line;
    if !update {
        drawer.option(line, of, "durable", 15, |d| d.chance.pick(&["no", "no", "yes"]).to_owned());
        let policies = ["explicit", "explicit", "explicit", "explicit", "all", "none"];
        let policy = drawer.chance.pick(&policies);
        line.push_str(&format!(" ack-policy={policy}"));
        deliver_policy(drawer, line);
        if push {
            line.push_str(&format!(" deliver-subject=to.{}", name.to_lowercase()));
        }
    }
    if update && drawer.chance.percent(35) {
        // What an update may not change, or may have to leave as it is.
        let fixed = ["durable=yes", "ack-policy=explicit", "ack-policy=all", "deliver-policy=all", "deliver-policy=new", "opt-start-seq=2"];
        let more = [
            "opt-start-time=start+3s",
            "opt-start-time=start+9s",
            "max-waiting=2",
            "max-batch=2",
            "max-bytes=100",
            "mem-storage=yes",
            "mem-storage=yes",
            "max-expires=2m",
            "deliver-group=g",
            "idle-heartbeat=6s",
        ];
        line.push_str(&format!(" {}", drawer.chance.pick(&[&fixed[..], &more[..]].concat())));
    }
    let waits = !line.contains("ack-policy=none");
    let backoff = drawer.uses("consumer backoff", if waits { 30 } else { 5 });
    if backoff {
        let steps: Vec<String> = (0..drawer.chance.pick(&[1, 2, 2, 3])).map(|_| drawer.wait().to_string()).collect();
        line.push_str(&format!(" backoff={}", steps.join(",")));
    }
    // The server's own default does not scale with the rest of the program.
    if (waits && !backoff && !update) || drawer.uses("consumer ack-wait", if update { 40 } else { 8 }) {
        let wait = drawer.wait();
        line.push_str(&format!(" ack-wait={wait}"));
    }
    let few = if backoff { &["3", "4", "5", "2"] } else { &["1", "2", "2", "3"] };
    drawer.option(line, of, "max-deliver", 55, |d| d.chance.pick(few).to_owned());
    drawer.option(line, of, "max-ack-pending", if waits { 35 } else { 3 }, |d| d.chance.pick(&["1", "2", "3", "-1"]).to_owned());
    filters(drawer, line, letter);
    drawer.option(line, of, "headers-only", 15, |d| d.chance.pick(&["yes", "yes", "no"]).to_owned());
    if !push && !update || drawer.chance.percent(2) {
        drawer.option(line, of, "max-waiting", 25, |d| d.chance.pick(&["1", "2", "3"]).to_owned());
        drawer.option(line, of, "max-batch", 15, |d| d.chance.pick(&["1", "2", "3"]).to_owned());
        drawer.option(line, of, "max-bytes", 12, |d| d.chance.pick(&["100", "200"]).to_owned());
        // Longer than any pull: the refusal names the length, which does not scale.
        drawer.option(line, of, "max-expires", 8, |d| (d.unit * 20).to_string());
    }
    priority(drawer, line, push, update);
    // It wants heartbeats, and a consumer that pushes.
    let flow = match (update, push) {
        (true, _) => 6,
        (false, true) => 30,
        (false, false) => 2,
    };
    drawer.option(line, of, "flow-control", flow, |d| d.chance.pick(&["yes", "yes", "no"]).to_owned());
    if push {
        let beats = match (line.contains(" idle-heartbeat="), line.contains(" flow-control=")) {
            (true, _) => 0,
            (false, true) => 95,
            (false, false) => 30,
        };
        drawer.option(line, of, "idle-heartbeat", if update { beats.min(15) } else { beats }, |d| d.wait().to_string());
        if update && drawer.uses("update consumer deliver-subject", 30) {
            line.push_str(&format!(" deliver-subject=to.{}2", name.to_lowercase()));
        } else if !update {
            drawer.option(line, of, "deliver-group", 15, |_| "g".to_owned());
        }
    }
    let ephemeral = line.contains("durable=no");
    if ephemeral || drawer.uses("consumer inactive-threshold", 20) {
        let threshold = drawer.unit * drawer.chance.pick(&[3, 4, 6]);
        line.push_str(&format!(" inactive-threshold={threshold}"));
    }
    drawer.option(line, of, "description", 5, |_| "text".to_owned());
    drawer.option(line, of, "num-replicas", 5, |d| d.chance.pick(&["0", "1", "1", "2"]).to_owned());
    if !update || drawer.chance.percent(3) {
        drawer.option(line, of, "mem-storage", 20, |d| d.chance.pick(&["yes", "yes", "no"]).to_owned());
    }
    drawer.option(line, of, "replay-policy", 5, |_| "instant".to_owned());
    std::mem::take(line)
}

/// A priority policy, with what it needs.
fn priority(drawer: &mut Drawer, line: &mut String, push: bool, update: bool) {
    let of = "consumer";
    let policy = drawer.uses("consumer priority-policy", if push { 2 } else { 45 });
    if !update && policy {
        let policy = drawer.chance.pick(&["overflow", "overflow", "pinned_client", "pinned_client", "prioritized"]);
        line.push_str(&format!(" priority-policy={policy}"));
        if drawer.chance.percent(97) {
            line.push_str(&format!(" priority-groups={}", drawer.chance.pick(&["g", "g", "g", "g", "g,h"])));
        }
        if policy == "pinned_client" {
            drawer.option(line, of, "priority-timeout", 80, |d| d.wait().to_string());
        }
    } else if update && policy && drawer.chance.percent(60) {
        let changes = ["priority-policy=overflow", "priority-policy=pinned_client", "priority-groups=h", "priority-timeout=12s"];
        line.push_str(&format!(" {}", drawer.chance.pick(&changes)));
    }
}

fn deliver_policy(drawer: &mut Drawer, line: &mut String) {
    if !drawer.uses("consumer deliver-policy", 65) {
        return;
    }
    let policies = ["all", "last", "new", "by_start_sequence", "by_start_time", "last_per_subject", "last_per_subject"];
    let policy = drawer.chance.pick(&policies);
    line.push_str(&format!(" deliver-policy={policy}"));
    // Now and then without what it needs, or with what it must not have.
    let needs = |wanted: &str| policy == wanted;
    let (seq, time) = (needs("by_start_sequence"), needs("by_start_time"));
    if drawer.chance.percent(if seq { 96 } else { 1 }) {
        line.push_str(&format!(" opt-start-seq={}", drawer.chance.pick(&["1", "2", "3", "4", "9"])));
    }
    if drawer.chance.percent(if time { 96 } else { 1 }) {
        let half = jetlag_model::Duration::from_nanos(drawer.unit.as_nanos() / 2);
        let now = drawer.view.now.since_start();
        // Between two commands that were, or still to come.
        let at = half * drawer.chance.pick(&[1, 2, 3, 5]);
        let at = if drawer.chance.percent(60) && now > at { now - at } else { now + at };
        line.push_str(&format!(" opt-start-time=start+{at}"));
    }
}

fn filters(drawer: &mut Drawer, line: &mut String, letter: &str) {
    let needed = line.contains("last_per_subject");
    let one = |drawer: &mut Drawer| match drawer.chance.below(6) {
        0 => format!("{letter}.*"),
        1 => format!("{letter}.>"),
        _ => format!("{letter}.{}", drawer.chance.pick(&TOKENS)),
    };
    let filter = drawer.uses("consumer filter-subject", 40) || (needed && drawer.chance.percent(95));
    if filter {
        line.push_str(&format!(" filter-subject={}", one(drawer)));
    }
    if drawer.uses("consumer filter-subjects", if filter { 2 } else { 30 }) {
        let several =
            [format!("{letter}.a,{letter}.b"), format!("{letter}.a,{letter}.c"), format!("{letter}.b"), format!("{letter}.a,{letter}.>")];
        line.push_str(&format!(" filter-subjects={}", drawer.chance.pick(&several)));
    }
}
