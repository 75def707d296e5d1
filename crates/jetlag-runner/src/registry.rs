//! Named handlers: what `worker ... handler=NAME` can name.

use std::collections::BTreeMap;
use std::sync::Arc;

use jetlag_scenario::{Command, HandlerOption, Scenario, SettingValue, Span};
use jetlag_sim::{Handler, Router};

/// Makes a handler from its options, or says why it can not.
type Make = Arc<dyn Fn(&[(String, String)]) -> Result<Box<dyn Handler>, String> + Send + Sync>;

/// The handlers that scenarios can name.
#[derive(Clone)]
pub struct Registry(BTreeMap<String, Make>);

/// A handler that can not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// Nobody registered it.
    #[error("there is no handler {name}; there are {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is, joined by commas.
        known: String,
    },
    /// It does not take these options.
    #[error("handler {name}: {reason}")]
    Options {
        /// Which handler.
        name: String,
        /// What it says.
        reason: String,
    },
}

impl Registry {
    /// The shipped handlers: `router`, and `router-forgetful`, which is the same with a bug.
    pub fn new() -> Registry {
        let mut registry = Registry(BTreeMap::new());
        let router = |options: &[(String, String)]| {
            let options = options.iter().map(|(key, value)| (key.as_str(), value.as_str()));
            Router::from_options(options).map_err(|error| error.to_string())
        };
        registry.add("router", move |options| Ok(Box::new(router(options)?)));
        registry.add("router-forgetful", move |options| Ok(Box::new(router(options)?.forgetful())));
        registry
    }

    /// Adds a handler, or replaces the one of this name. `make` gets the options as written.
    pub fn add(&mut self, name: &str, make: impl Fn(&[(String, String)]) -> Result<Box<dyn Handler>, String> + Send + Sync + 'static) {
        self.0.insert(name.to_owned(), Arc::new(make));
    }

    /// A new handler.
    ///
    /// # Errors
    /// When there is none of this name, or when it does not take the options.
    pub fn handler(&self, name: &str, options: &[HandlerOption]) -> Result<Box<dyn Handler>, RegistryError> {
        let make = self.0.get(name).ok_or_else(|| RegistryError::Unknown {
            name: name.to_owned(),
            known: self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        })?;
        let options: Vec<_> = options.iter().map(|option| (option.key.clone(), text(&option.value))).collect();
        make(&options).map_err(|reason| RegistryError::Options { name: name.to_owned(), reason })
    }

    /// What is wrong with the handlers that a scenario names, each with its place in the text.
    pub fn problems(&self, scenario: &Scenario) -> Vec<(Span, RegistryError)> {
        let steps = scenario.blocks.iter().flat_map(|block| &block.steps);
        let workers = steps.filter_map(|step| match &step.command {
            Command::Worker(worker) => Some(worker),
            _ => None,
        });
        workers
            .filter_map(|worker| {
                let name = worker.handler.as_ref()?;
                let error = self.handler(name, &worker.options).err()?;
                Some((name.span, error))
            })
            .collect()
    }
}

impl Default for Registry {
    fn default() -> Registry {
        Registry::new()
    }
}

/// An option's value as it was written.
fn text(value: &SettingValue) -> String {
    match value {
        SettingValue::Text(text) => text.clone(),
        SettingValue::Integer(number) => number.to_string(),
        SettingValue::Flag(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        SettingValue::Duration(duration) => duration.to_string(),
        SettingValue::SinceStart(since) => format!("start+{since}"),
        SettingValue::Durations(durations) => durations.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        SettingValue::Texts(texts) => texts.join(","),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_handler_is_known_before_the_run() {
        for (line, problem) in [
            ("worker r S/C handler=router tenants=acme,corp limit=3", None),
            ("worker r S/C handler=router-forgetful", None),
            ("worker r S/C handler=rooter", Some("there is no handler rooter; there are router, router-forgetful")),
            ("worker r S/C handler=router limit=0", Some("handler router: limit=\"0\" is not a number of deliveries; write limit=3")),
            (
                "worker r S/C handler=router tenant=x",
                Some("handler router: a router has no option \"tenant\"; it has tenants, limit, exhausted, usage and ids"),
            ),
        ] {
            let scenario = jetlag_scenario::parse(&format!("title: t\n\n{line}\n----\n")).expect(line);
            let problems: Vec<_> = Registry::new().problems(&scenario).into_iter().map(|(_, error)| error.to_string()).collect();
            assert_eq!(problems.first().map(String::as_str), problem, "{line}");
        }
    }
}
