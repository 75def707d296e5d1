%% A NATS client of a page: one process with one socket. What comes to a subscription is sent to the process that made it, as
%% {nats, Subscription, Subject, ReplyTo, Headers, Payload}. It comes back by itself, with its subscriptions, when the server does.
-module(nats).
-export([connect/2, subscribe/2, publish/3, publish/4, request/3, close/1]).

%% The caller is told {nats, connected} each time the client is connected.
connect(Host, Port) ->
    Owner = self(),
    Pid = spawn_link(fun() -> session(#{host => Host, port => Port, owner => Owner, subs => #{}, next => 1}) end),
    receive {nats, connected} -> {ok, Pid} after 5000 -> exit({no_server, Host, Port}) end.

%% The number of the subscription.
subscribe(Client, Subject) -> call(Client, {subscribe, Subject}).

publish(Client, Subject, Payload) -> publish(Client, Subject, <<>>, Payload).

publish(Client, Subject, ReplyTo, Payload) -> call(Client, {publish, Subject, ReplyTo, iolist_to_binary(Payload)}).

%% Sends, and waits for one answer: {ok, ReplyTo, Headers, Payload}.
request(Client, Subject, Payload) ->
    Inbox = iolist_to_binary(["_INBOX.", integer_to_list(erlang:unique_integer([positive]))]),
    Subscription = subscribe(Client, Inbox),
    ok = publish(Client, Subject, Inbox, Payload),
    %% A message of a consumer comes to the inbox under the subject it was stored with.
    receive {nats, Subscription, _, ReplyTo, Headers, Answer} -> {ok, ReplyTo, Headers, Answer} after 5000 -> exit({no_answer, Subject}) end.

close(Client) -> unlink(Client), exit(Client, shutdown), ok.

call(Client, What) ->
    Ref = monitor(process, Client),
    Client ! {call, self(), Ref, What},
    receive
        {Ref, Answer} -> demonitor(Ref, [flush]), Answer;
        {'DOWN', Ref, _, _, Reason} -> exit(Reason)
    end.

%% A connection, and another one after it.
session(State = #{host := Host, port := Port, owner := Owner, subs := Subs}) ->
    case gen_tcp:connect(Host, Port, [binary, {active, true}, {nodelay, true}]) of
        {ok, Socket} ->
            Hello = "{\"verbose\":false,\"headers\":true,\"no_responders\":true,\"lang\":\"erlang\",\"version\":\"1\",\"name\":\"example\"}",
            Again = [["SUB ", Subject, " ", integer_to_list(Sid), "\r\n"] || {Sid, {Subject, _}} <- maps:to_list(Subs)],
            ok = gen_tcp:send(Socket, ["CONNECT ", Hello, "\r\n", Again, "PING\r\n"]),
            session(loop(State#{socket => Socket, connected => false}, <<>>));
        {error, _} ->
            timer:sleep(50),
            session(State#{owner => Owner})
    end.

loop(State = #{socket := Socket}, Buffer) ->
    receive
        {tcp, Socket, Bytes} ->
            {Next, Rest} = frames(State, <<Buffer/binary, Bytes/binary>>),
            loop(Next, Rest);
        {tcp_closed, Socket} -> State;
        {tcp_error, Socket, _} -> gen_tcp:close(Socket), State;
        {call, From, Ref, What} ->
            {Answer, Next} = serve(State, From, What),
            From ! {Ref, Answer},
            loop(Next, Buffer)
    end.

serve(State = #{socket := Socket, subs := Subs, next := Sid}, From, {subscribe, Subject}) ->
    Name = iolist_to_binary(Subject),
    ok = gen_tcp:send(Socket, ["SUB ", Name, " ", integer_to_list(Sid), "\r\n"]),
    {Sid, State#{subs := Subs#{Sid => {Name, From}}, next := Sid + 1}};
serve(State = #{socket := Socket}, _, {publish, Subject, ReplyTo, Payload}) ->
    {gen_tcp:send(Socket, ["PUB ", Subject, " ", ReplyTo, " ", integer_to_list(byte_size(Payload)), "\r\n", Payload, "\r\n"]), State}.

%% Takes whole frames off the buffer.
frames(State, Buffer) ->
    case binary:split(Buffer, <<"\r\n">>) of
        [Line, Rest] -> frame(State, binary:split(Line, <<" ">>, [global, trim_all]), Rest, Buffer);
        [_] -> {State, Buffer}
    end.

frame(State, [<<"MSG">>, Subject, Sid | Rest], After, Buffer) ->
    [Size | ReplyTo] = lists:reverse(Rest),
    message(State, Subject, Sid, ReplyTo, 0, binary_to_integer(Size), After, Buffer);
frame(State, [<<"HMSG">>, Subject, Sid | Rest], After, Buffer) ->
    [Size, Head | ReplyTo] = lists:reverse(Rest),
    message(State, Subject, Sid, ReplyTo, binary_to_integer(Head), binary_to_integer(Size), After, Buffer);
frame(State = #{socket := Socket}, [<<"PING">>], Rest, _) -> ok = gen_tcp:send(Socket, "PONG\r\n"), frames(State, Rest);
frame(State = #{connected := false, owner := Owner}, [<<"PONG">>], Rest, _) ->
    Owner ! {nats, connected},
    frames(State#{connected := true}, Rest);
frame(_, [<<"-ERR">> | Text], _, _) -> exit({refused, Text});
frame(State, _, Rest, _) -> frames(State, Rest).

message(State = #{subs := Subs}, Subject, Sid, ReplyTo, Head, Size, After, Buffer) ->
    Body = Size - Head,
    case After of
        <<Headers:Head/binary, Payload:Body/binary, "\r\n", Rest/binary>> ->
            Number = binary_to_integer(Sid),
            {_, Pid} = maps:get(Number, Subs),
            Pid ! {nats, Number, Subject, iolist_to_binary(ReplyTo), Headers, Payload},
            frames(State, Rest);
        _ -> {State, Buffer}
    end.
