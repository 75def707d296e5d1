%% Redelivery, dead letters and a restart, as a Common Test suite, against a server whose time is moved by a message.
%%
%%     jetlag serve --port 4222 --insecure-control &
%%     NATS_URL=nats://127.0.0.1:4222 ct_run -dir . -suite redelivery_SUITE
-module(redelivery_SUITE).
-export([all/0, suite/0, init_per_testcase/2, end_per_testcase/2]).
-export([a_lost_ack_brings_the_message_back/1, a_message_nobody_can_handle_is_a_dead_letter/1, a_restart_forgets_no_message/1]).

all() -> [a_lost_ack_brings_the_message_back, a_message_nobody_can_handle_is_a_dead_letter, a_restart_forgets_no_message].

%% Hours of ack_wait would take no longer.
suite() -> [{timetrap, {seconds, 30}}].

init_per_testcase(_Case, Config) ->
    #{host := Host, port := Port} = uri_string:parse(os:getenv("NATS_URL")),
    {ok, Client} = nats:connect(Host, Port),
    [{client, Client} | Config].

end_per_testcase(_Case, Config) -> nats:close(proplists:get_value(client, Config)).

%% S1: the ack is lost on its way, so the message comes again after ack_wait, and not before.
a_lost_ack_brings_the_message_back(Config) ->
    Client = proplists:get_value(client, Config),
    set_up(Client, "results", 3),
    control(Client, "FAULT.ADD", "fault lost-ack drop kind=ack stream=results"),

    {1, Ack} = next(Client, "results"),
    nats:publish(Client, Ack, "+ACK"),
    control(Client, "FAULT.WAIT", "lost-ack"),

    control(Client, "CLOCK.ADVANCE", "29s"),
    none = next(Client, "results"),
    control(Client, "CLOCK.ADVANCE", "1s"),
    {2, Again} = next(Client, "results"),
    control(Client, "FAULT.CLEAR", "lost-ack"),
    {ok, _, _, <<>>} = nats:request(Client, Again, "+ACK"),

    %% Nothing is left to happen, however long we wait.
    control(Client, "CLOCK.ADVANCE", "24h"),
    none = next(Client, "results").

%% S3: M1 fails each time, M2 does not. M1 comes three times and never a fourth; one advisory says so, and leads to a copy where somebody looks.
a_message_nobody_can_handle_is_a_dead_letter(Config) ->
    Client = proplists:get_value(client, Config),
    set_up(Client, "exec", 3),
    api(Client, "STREAM.CREATE.dlq", "{\"name\":\"dlq\",\"subjects\":[\"exec.*.dlq\"]}"),
    Advisories = nats:subscribe(Client, "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.exec.work"),

    {1, First} = next(Client, "exec"),
    nats:publish(Client, First, "-NAK"),
    [begin {Attempt, Ack} = next(Client, "exec"), nats:publish(Client, Ack, "-NAK") end || Attempt <- [2, 3]],
    %% The server notices that the attempts are used up when somebody asks for the next message.
    none = next(Client, "exec"),
    Advisory = receive {nats, Advisories, _, _, _, Body} -> Body after 5000 -> ct:fail(no_advisory) end,
    3 = number(<<"deliveries">>, Advisory),

    %% M2 is untouched.
    stored(nats:request(Client, "exec.m2", "{\"tenant\":\"acme\"}")),
    {1, Second} = next(Client, "exec"),
    {ok, _, _, <<>>} = nats:request(Client, Second, "+ACK"),

    %% The advisory points at the message, which is still in its stream.
    Seq = integer_to_list(number(<<"stream_seq">>, Advisory)),
    Dead = api(Client, "STREAM.MSG.GET.exec", ["{\"seq\":", Seq, "}"]),
    stored(nats:request(Client, "exec.m1.dlq", base64:decode(text(<<"data">>, Dead)))),
    Letter = api(Client, "STREAM.MSG.GET.dlq", "{\"last_by_subj\":\"exec.m1.dlq\"}"),
    <<"an order">> = base64:decode(text(<<"data">>, Letter)),
    receive {nats, Advisories, _, _, _, _} -> ct:fail(two_advisories) after 100 -> ok end.

%% The server restarts with a message unacknowledged: it comes again, and its count goes on.
a_restart_forgets_no_message(Config) ->
    Client = proplists:get_value(client, Config),
    set_up(Client, "kept", 3),
    {1, _} = next(Client, "kept"),
    control(Client, "SERVER.RESTART", "0s"),
    receive {nats, connected} -> ok after 10000 -> ct:fail(not_back) end,
    control(Client, "CLOCK.ADVANCE", "30s"),
    {2, Ack} = next(Client, "kept"),
    {ok, _, _, <<>>} = nats:request(Client, Ack, "+ACK").

%% A stream with one message, and a durable pull consumer with ack_wait 30 s.
set_up(Client, Stream, MaxDeliver) ->
    Subjects = [Stream, ".*"],
    api(Client, ["STREAM.CREATE.", Stream], ["{\"name\":\"", Stream, "\",\"subjects\":[\"", Subjects, "\"]}"]),
    Consumer = ["{\"durable_name\":\"work\",\"ack_policy\":\"explicit\",\"ack_wait\":30000000000,\"max_deliver\":", integer_to_list(MaxDeliver), "}"],
    api(Client, ["CONSUMER.DURABLE.CREATE.", Stream, ".work"], ["{\"stream_name\":\"", Stream, "\",\"config\":", Consumer, "}"]),
    stored(nats:request(Client, [Stream, ".m1"], "an order")).

%% The next delivery: which attempt it is, and where to acknowledge it.
next(Client, Stream) ->
    case nats:request(Client, ["$JS.API.CONSUMER.MSG.NEXT.", Stream, ".work"], "{\"batch\":1,\"no_wait\":true}") of
        {ok, <<"$JS.ACK.", Place/binary>> = Ack, _, _} ->
            [_Stream, _Consumer, Attempt | _] = binary:split(Place, <<".">>, [global]),
            {binary_to_integer(Attempt), Ack};
        {ok, <<>>, <<"NATS/1.0 404", _/binary>>, _} -> none
    end.

api(Client, Request, Body) -> ok_answer(nats:request(Client, ["$JS.API.", Request], Body)).

control(Client, Control, Payload) -> ok_answer(nats:request(Client, ["$JETLAG.", Control], Payload)).

stored(Answer) -> number(<<"seq">>, ok_answer(Answer)).

ok_answer({ok, _, _, Body}) ->
    case binary:match(Body, <<"\"error\":{">>) of
        nomatch -> Body;
        _ -> ct:fail(Body)
    end.

%% A field of a JSON object. With OTP 27, use json:decode/1.
number(Name, Json) -> binary_to_integer(field(["\"", Name, "\":\\s*([0-9]+)"], Json)).

text(Name, Json) -> field(["\"", Name, "\":\\s*\"([^\"]*)\""], Json).

field(Pattern, Json) ->
    case re:run(Json, Pattern, [{capture, all_but_first, binary}]) of
        {match, [Value]} -> Value;
        nomatch -> ct:fail({Pattern, Json})
    end.
