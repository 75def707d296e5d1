//! docs/MIGRATING.md: every rule and command on the page is one that the language has, and the first owner's operations and faults are all there.

use jetlag_scenario::parse;

fn page() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/MIGRATING.md");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands in backquotes on a line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn every_rule_on_the_page_is_read() {
    let page = page();
    let rules: Vec<&str> =
        page.lines().filter(|line| line.starts_with('|')).flat_map(quoted).filter(|text| text.starts_with("fault ")).collect();
    assert!(rules.len() > 30, "{} rules", rules.len());
    // A rule that comes after another one stands behind it.
    let known = ["fault first-one drop kind=ack client=router first=1"];
    for rule in rules {
        let before = if rule.contains("after=") { format!("{}\n", known[0]) } else { String::new() };
        let text = format!("title: t\n\nclient router\n{before}{rule}\n----\nok\n");
        assert!(parse(&text).is_ok(), "{rule}: {:#?}", parse(&text));
    }
}

#[test]
fn every_operation_with_every_fault_is_on_the_page() {
    let page = page();
    for operation in ["connect", "publish", "publish_with_ack", "ack", "nak", "subscribe"] {
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with(&format!("| `{operation}`, "))).collect();
        // Faults that need no line of their own, because the operation above has the same: those of publishes.
        let faults: &[&str] = match operation {
            "connect" | "ack" => &["{error", "{timeout", "{close_connection", "{delay", "{intermittent"],
            "publish" => &["{error", "{timeout"],
            "publish_with_ack" | "subscribe" => &["{error", "{timeout", "{delay"],
            _ => &["{error", "{timeout", "{close_connection", "{delay"],
        };
        for fault in faults {
            assert!(rows.iter().any(|row| row.starts_with(&format!("| `{operation}`, `{fault}"))), "{operation} with {fault}");
        }
    }
}

#[test]
fn commands_and_metrics_on_the_page_are_there() {
    let page = page();
    for command in ["clear ID", "advance 30s"] {
        assert!(page.contains(&format!("`{command}`")), "{command}");
        let text = format!("title: t\n\nfault ID drop kind=ack\n{command}\n----\nok\n");
        assert!(parse(&text).is_ok(), "{command}");
    }
    let metric = "expect metric jetlag_fault_hits_total +1 fault=ID";
    assert!(page.contains(metric) && parse(&format!("title: t\n\n{metric}\n----\nok\n")).is_ok());
    let spec = jetlag_metrics::Contract::shipped().spec("jetlag_fault_hits_total").expect("it is in the contract");
    assert!(spec.required.contains("fault"));
}
