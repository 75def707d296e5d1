//! The metadata under `_nats.` that servers from 2.11 on put into configurations: what a configuration needs is stored with it, what the
//! server is goes into each answer.

use std::collections::BTreeMap;

use crate::rules::{Rule, Rules};

const REQUIRED_LEVEL: &str = "_nats.req.level";

/// Puts into a configuration that is to be stored what belongs there, in place of what the client may have sent. Older servers take these names
/// for any others.
pub(super) fn store(metadata: &mut BTreeMap<String, String>, level: u8, rules: Rules) {
    if rules.has(Rule::VersionMetadata) {
        metadata.retain(|name, _| !name.starts_with("_nats."));
        metadata.insert(REQUIRED_LEVEL.into(), level.to_string());
    }
}

/// Adds what the server is, for an answer about one stream or consumer. Lists go without.
pub(super) fn answer(metadata: &mut BTreeMap<String, String>, rules: Rules) {
    if rules.has(Rule::VersionMetadata) {
        metadata.insert("_nats.level".into(), rules.api_level().to_string());
        metadata.insert("_nats.ver".into(), rules.version().to_string());
    }
}
