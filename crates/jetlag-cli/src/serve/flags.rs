//! The command line of nats-server, put into ours: `-p -1`, `-sd DIR`, `--store_dir=DIR`. So what starts a nats-server starts this one, also
//! when it is called by that name.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// What becomes of a flag of nats-server.
#[derive(Clone, Copy)]
enum Flag {
    /// It is this one of ours, and has a value.
    Value(&'static str),
    /// It is this one of ours, without a value.
    Switch(&'static str),
    /// It changes nothing here.
    PassedOver,
    /// The same, and it has a value.
    PassedOverValue,
    /// It asks for what is not simulated.
    NotSimulated,
    /// The same, and it has a value.
    NotSimulatedValue,
}

/// The flags of nats-server 2.15.1, without their dashes.
const FLAGS: &[(&[&str], Flag)] = &[
    (&["a", "addr", "net", "host"], Flag::Value("host")),
    (&["p", "port"], Flag::Value("port")),
    (&["n", "name", "server_name"], Flag::Value("server-name")),
    (&["P", "pid"], Flag::Value("pid-file")),
    (&["m", "http_port"], Flag::Value("monitor")),
    (&["c", "config"], Flag::Value("config")),
    (&["l", "log"], Flag::Value("log")),
    (&["t"], Flag::Switch("check-config")),
    (&["ports_file_dir"], Flag::Value("ports-file-dir")),
    (&["sd", "store_dir"], Flag::Value("store-dir")),
    (&["user"], Flag::Value("user")),
    (&["pass"], Flag::Value("pass")),
    (&["auth"], Flag::Value("token")),
    (&["js", "jetstream"], Flag::PassedOver),
    (&["D", "debug", "V", "VV", "DV", "DVV", "T", "logtime", "logtime_utc", "s", "syslog"], Flag::PassedOver),
    (&["r", "remote_syslog", "log_size_limit", "max_traced_msg_len", "profile", "client_advertise"], Flag::PassedOverValue),
    (&["tls", "tlsverify"], Flag::NotSimulated),
    (&["tlscert", "tlskey", "tlscacert", "ms", "https_port", "sl", "signal"], Flag::NotSimulatedValue),
    (&["routes", "cluster", "cluster_name", "cluster_advertise", "cluster_listen", "connect_retries"], Flag::NotSimulatedValue),
    (&["no_advertise"], Flag::PassedOver),
];

/// A flag of nats-server that is one of ours too, and means something else there.
const OURS_TOO: &str = "trace";

/// The arguments as our command line has them: `nats-server ARGUMENTS` becomes `jetlag serve ARGUMENTS`, and nats-server's flags become ours.
pub(crate) fn ours(typed: Vec<OsString>) -> Vec<OsString> {
    let name = typed.first().map(Path::new).and_then(Path::file_stem).unwrap_or_default();
    let stands_in = name == "nats-server";
    let (head, rest) = if stands_in {
        (vec!["jetlag".into(), "serve".into(), "--stand-in".into()], typed.get(1..).unwrap_or_default())
    } else if typed.get(1).is_some_and(|command| command == "serve") {
        (typed[..2].to_vec(), &typed[2..])
    } else {
        return typed;
    };
    let mut ours = head;
    let mut rest = rest.iter();
    while let Some(argument) = rest.next() {
        let Some((name, value)) = flag(argument) else {
            ours.push(argument.clone());
            continue;
        };
        if stands_in && matches!(name, "v" | "version") {
            ours.push("--stand-in-version".into());
            continue;
        }
        let known = FLAGS.iter().find(|(names, _)| names.contains(&name)).map(|(_, flag)| *flag);
        let known = known.or_else(|| (stands_in && name == OURS_TOO).then_some(Flag::PassedOver));
        let mut with_value = |option: &str| {
            let mut pair = OsString::from(format!("--{option}"));
            if let Some(value) = value.map(OsStr::new).or_else(|| rest.next().map(OsString::as_os_str)) {
                pair.push("=");
                pair.push(value);
            }
            pair
        };
        match known {
            None => ours.push(argument.clone()),
            Some(Flag::Value(option)) => ours.push(with_value(option)),
            Some(Flag::Switch(option)) => ours.push(format!("--{option}").into()),
            Some(Flag::PassedOver) => ours.push(format!("--passed-over={name}").into()),
            Some(Flag::NotSimulated) => ours.push(format!("--not-simulated={name}").into()),
            Some(Flag::PassedOverValue) => {
                with_value("");
                ours.push(format!("--passed-over={name}").into());
            }
            Some(Flag::NotSimulatedValue) => {
                with_value("");
                ours.push(format!("--not-simulated={name}").into());
            }
        }
    }
    ours
}

/// The name of a flag as Go's `flag` reads it, with one or two dashes, and the value behind an equals sign.
fn flag(argument: &OsStr) -> Option<(&str, Option<&str>)> {
    let text = argument.to_str()?;
    let text = text.strip_prefix("--").or_else(|| text.strip_prefix('-'))?;
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    (!name.is_empty()).then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(typed: &str) -> String {
        let ours = ours(typed.split_whitespace().map(OsString::from).collect());
        ours.iter().map(|argument| argument.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_starts_a_nats_server_starts_this_one() {
        for (typed, expected) in [
            (
                "nats-server --store_dir D -p -1 -l LOG -P PID -c jetstream.conf",
                "jetlag serve --stand-in --store-dir=D --port=-1 --log=LOG --pid-file=PID --config=jetstream.conf",
            ),
            (
                "/usr/bin/nats-server -js -sd=D -m 8222 -DV",
                "jetlag serve --stand-in --passed-over=js --store-dir=D --monitor=8222 --passed-over=DV",
            ),
            ("nats-server --trace --version", "jetlag serve --stand-in --passed-over=trace --stand-in-version"),
            (
                "nats-server --routes nats://a,nats://b --cluster_name c",
                "jetlag serve --stand-in --not-simulated=routes --not-simulated=cluster_name",
            ),
            ("nats-server -a 127.0.0.1 --clock manual", "jetlag serve --stand-in --host=127.0.0.1 --clock manual"),
            ("jetlag serve --trace FILE -p 0 --faults F", "jetlag serve --trace FILE --port=0 --faults F"),
            ("jetlag serve --profile 1 --signal ldm=1", "jetlag serve --passed-over=profile --not-simulated=signal"),
            // Other commands have flags of their own.
            ("jetlag run -p 1", "jetlag run -p 1"),
            ("jetlag", "jetlag"),
            // clap says what is missing.
            ("nats-server -p", "jetlag serve --stand-in --port"),
        ] {
            assert_eq!(put(typed), expected, "{typed}");
        }
    }
}
