//! Every duration of a scenario: to list them, and to multiply them for a run at another pace.

use jetlag_fault::{Effect, Lost, LostTail, Rule};
use jetlag_model::Duration;

use crate::{AckVerb, ActionKind, Advance, Command, Scenario, SettingValue, WorkerCommand};

impl Scenario {
    /// The same scenario with every duration in its commands multiplied by `numerator / denominator`.
    ///
    /// Scaled are durations of settings, of options, of faults and their windows, of workers and their handlers, of `advance`, and dates
    /// that count from the start of the run (`start+10s`). Not scaled are dates, and transcripts. The server's floors (it refuses a
    /// `max-age` below 100ms, say) are the caller's concern: see [`Scenario::durations`].
    ///
    /// Rounded to whole nanoseconds, half away from zero; what was not zero does not become zero, because zero often means "none". Saturates.
    ///
    /// # Panics
    /// If `denominator` is zero.
    #[must_use]
    pub fn scaled(&self, numerator: u64, denominator: u64) -> Scenario {
        assert!(denominator > 0, "a ratio has a denominator");
        let mut scenario = self.clone();
        scenario.each_duration(&mut |duration| *duration = scaled(*duration, numerator, denominator));
        scenario
    }

    /// Every duration in the commands, in their order: what [`Scenario::scaled`] multiplies.
    pub fn durations(&self) -> impl Iterator<Item = Duration> + use<> {
        let mut durations = Vec::new();
        self.clone().each_duration(&mut |duration| durations.push(*duration));
        durations.into_iter()
    }

    fn each_duration(&mut self, visit: &mut dyn FnMut(&mut Duration)) {
        self.blocks.iter_mut().flat_map(|block| &mut block.steps).for_each(|step| command(&mut step.command, visit));
    }
}

fn scaled(duration: Duration, numerator: u64, denominator: u64) -> Duration {
    // Half of u64::MAX times i64::MAX is far below i128::MAX.
    let product = i128::from(duration.as_nanos()) * i128::from(numerator);
    let (size, denominator) = (product.unsigned_abs(), u128::from(denominator));
    let rounded = (size + denominator / 2) / denominator;
    let rounded = if size > 0 { rounded.max(1) } else { rounded };
    let size = i64::try_from(rounded).unwrap_or(i64::MAX);
    Duration::from_nanos(if product < 0 { -size } else { size })
}

fn command(command: &mut Command, visit: &mut dyn FnMut(&mut Duration)) {
    match command {
        Command::Stream(stream) | Command::UpdateStream(stream) => {
            stream.settings.0.iter_mut().for_each(|setting| value(&mut setting.value, visit));
        }
        Command::Consumer(consumer) | Command::UpdateConsumer(consumer) => {
            consumer.settings.0.iter_mut().for_each(|setting| value(&mut setting.value, visit));
        }
        Command::Fetch(fetch) => fetch.expires.iter_mut().chain(&mut fetch.idle_heartbeat).for_each(visit),
        // How many there are was settled when the file was read.
        Command::Publish(publish) => publish.every.iter_mut().chain(&mut publish.lasting).for_each(visit),
        Command::Ack(ack) => match &mut ack.verb {
            AckVerb::Nak { delay } => delay.iter_mut().for_each(visit),
            AckVerb::Ack | AckVerb::InProgress | AckVerb::Term { .. } | AckVerb::Next { .. } => {}
        },
        Command::Restart(restart) => restart.downtime.iter_mut().for_each(visit),
        Command::Kill(kill) => {
            kill.downtime.iter_mut().for_each(&mut *visit);
            lost(&mut kill.lost, visit);
        }
        Command::Fault(spec) => fault(&mut spec.rule, visit),
        Command::Worker(command) => worker(command, visit),
        Command::Advance(Advance::By(duration) | Advance::To(duration)) => visit(duration),
        Command::DeleteStream(_)
        | Command::Purge(_)
        | Command::DeleteMessage(_)
        | Command::DeleteConsumer(_)
        | Command::Info(_)
        | Command::Subscribe(_)
        | Command::Unsubscribe(_)
        | Command::Request(_)
        | Command::Client(_)
        | Command::Disconnect
        | Command::Reconnect
        | Command::Crash
        | Command::Clear(_)
        | Command::Stop(_)
        | Command::Settle
        | Command::Check(_)
        | Command::Expect(_) => {}
    }
}

fn value(value: &mut SettingValue, visit: &mut dyn FnMut(&mut Duration)) {
    match value {
        SettingValue::Duration(duration) | SettingValue::SinceStart(duration) => visit(duration),
        SettingValue::Durations(durations) => durations.iter_mut().for_each(visit),
        SettingValue::Text(_) | SettingValue::Integer(_) | SettingValue::Flag(_) | SettingValue::Texts(_) => {}
    }
}

fn lost(lost: &mut LostTail, visit: &mut dyn FnMut(&mut Duration)) {
    for part in [&mut lost.messages, &mut lost.state] {
        if let Lost::Since(since) = part {
            visit(since);
        }
    }
}

fn fault(rule: &mut Rule, visit: &mut dyn FnMut(&mut Duration)) {
    match &mut rule.effect {
        Effect::Delay { min, max } => [min, max].into_iter().for_each(&mut *visit),
        Effect::Ramp { first, last, over } => [first, last, over].into_iter().for_each(&mut *visit),
        Effect::Disconnect { reconnect } => reconnect.iter_mut().for_each(&mut *visit),
        Effect::Restart { downtime } => visit(downtime),
        Effect::Kill { downtime, lost: tail } => {
            visit(downtime);
            lost(tail, visit);
        }
        Effect::Slow { by } => visit(by),
        Effect::Drop
        | Effect::Duplicate { .. }
        | Effect::ReplyLost
        | Effect::Error(_)
        | Effect::Partition(_)
        | Effect::Crash
        | Effect::Mark => {}
    }
    rule.when.from.iter_mut().chain(&mut rule.when.to).for_each(&mut *visit);
    if let Some(cycle) = &mut rule.when.cycle {
        [&mut cycle.every, &mut cycle.active].into_iter().for_each(visit);
    }
}

fn worker(worker: &mut WorkerCommand, visit: &mut dyn FnMut(&mut Duration)) {
    worker.expires.iter_mut().for_each(&mut *visit);
    worker.options.iter_mut().for_each(|option| value(&mut option.value, visit));
    for action in worker.rules.iter_mut().flat_map(|rule| &mut rule.actions) {
        if let ActionKind::Nak { delay } = &mut action.kind {
            delay.iter_mut().for_each(&mut *visit);
        }
        action.after.iter_mut().for_each(&mut *visit);
    }
}
