//! `fault`: a rule as it is written. What a rule is and when it makes sense is `jetlag-fault`'s.

use jetlag_fault::Rule;

use crate::{Name, Span};

/// `fault ID EFFECT [effect arguments] [match...] [when...]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultSpec {
    /// The rule; without contradictions, if it was read from a file.
    pub rule: Rule,
    /// The rule from its id to its end.
    pub span: Span,
    /// The rule's id.
    pub id_span: Span,
    /// The name behind `client=`, where one is written.
    pub client_span: Span,
    /// The names behind `after=` and `until=`, where they are written.
    pub event_spans: [Span; 2],
}

impl From<Rule> for FaultSpec {
    /// A rule that was never text in a file.
    fn from(rule: Rule) -> FaultSpec {
        FaultSpec { rule, span: Span::default(), id_span: Span::default(), client_span: Span::default(), event_spans: Default::default() }
    }
}

impl FaultSpec {
    /// What the transcript calls the rule.
    pub fn id(&self) -> Name {
        Name { text: self.rule.id.clone(), span: self.id_span }
    }

    /// The client that it asks for.
    pub fn client(&self) -> Option<Name> {
        self.rule.matcher.client.as_ref().map(|client| Name { text: client.clone(), span: self.client_span })
    }

    /// The rules that it waits for.
    pub fn events(&self) -> impl Iterator<Item = Name> {
        let events = [&self.rule.when.after, &self.rule.when.until].into_iter().zip(self.event_spans);
        events.filter_map(|(event, span)| event.as_ref().map(|event| Name { text: event.clone(), span }))
    }
}
