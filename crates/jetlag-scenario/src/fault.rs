//! `fault`: a rule as it is written. What a rule is and when it makes sense is `jetlag-fault`'s.

use jetlag_fault::{Effect, LostTail, Rule};

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
    /// What `jetlag-conform` looks at until it asks the rule itself; goes then.
    #[doc(hidden)]
    pub effect: FaultEffect,
}

impl From<Rule> for FaultSpec {
    /// A rule that was never text in a file.
    fn from(rule: Rule) -> FaultSpec {
        let effect = FaultEffect::of(&rule.effect);
        FaultSpec { rule, span: Span::default(), id_span: Span::default(), client_span: Span::default(), effect }
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
}

/// How a rule ends the server's life, for [`FaultSpec::effect`].
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultEffect {
    /// In good order.
    Restart {},
    /// By a kill.
    Kill {
        /// What is lost, if anything.
        lost: Option<LostTail>,
    },
    /// It does not.
    Other,
}

impl FaultEffect {
    fn of(effect: &Effect) -> FaultEffect {
        match effect {
            Effect::Restart { .. } => FaultEffect::Restart {},
            // How much is lost changes when the rule is scaled, that something is lost does not.
            Effect::Kill { lost, .. } => FaultEffect::Kill { lost: (*lost != LostTail::Nothing).then_some(LostTail::All) },
            _ => FaultEffect::Other,
        }
    }
}
