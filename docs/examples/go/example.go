// Redelivery, dead letters and a restart, with nats.go and a server whose time is moved by a message.
//
//	jetlag serve --port 4222 --insecure-control &
//	go mod init example && go get github.com/nats-io/nats.go   # or Debian's package, see the README
//	NATS_URL=nats://127.0.0.1:4222 go run example.go
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/nats-io/nats.go"
)

// control is a request to the server's controls, over the test's own connection.
func control(nc *nats.Conn, name, payload string) {
	reply, err := nc.Request("$JETLAG."+name, []byte(payload), 5*time.Second)
	check(err)
	var answer struct {
		Error *struct{ Description string }
	}
	check(json.Unmarshal(reply.Data, &answer))
	if answer.Error != nil {
		log.Fatalf("%s %s: %s", name, payload, answer.Error.Description)
	}
}

// advance returns when everything that is due by then has happened.
func advance(nc *nats.Conn, by string) { control(nc, "CLOCK.ADVANCE", by) }

// setUp makes a stream with one message, and a durable pull consumer with ack_wait 30 s.
func setUp(nc *nats.Conn, name string, maxDeliver int) (nats.JetStreamContext, *nats.Subscription) {
	js, err := nc.JetStream()
	check(err)
	_, err = js.AddStream(&nats.StreamConfig{Name: name, Subjects: []string{name + ".>"}})
	check(err)
	_, err = js.AddConsumer(name, &nats.ConsumerConfig{
		Durable:    "work",
		AckPolicy:  nats.AckExplicitPolicy,
		AckWait:    30 * time.Second,
		MaxDeliver: maxDeliver,
	})
	check(err)
	_, err = js.Publish(name+".1", []byte("an order"))
	check(err)
	work, err := js.PullSubscribe("", "work", nats.Bind(name, "work"))
	check(err)
	return js, work
}

// next is the next message, for the so-manieth time.
func next(work *nats.Subscription, attempt uint64) *nats.Msg {
	messages, err := work.Fetch(1, nats.MaxWait(5*time.Second))
	check(err)
	about, err := messages[0].Metadata()
	check(err)
	if about.NumDelivered != attempt {
		log.Fatalf("attempt %d instead of %d", about.NumDelivered, attempt)
	}
	return messages[0]
}

// none sees to it that there is no message.
func none(work *nats.Subscription, otherwise string) {
	if _, err := work.Fetch(1, nats.MaxWait(300*time.Millisecond)); !errors.Is(err, nats.ErrTimeout) {
		log.Fatalf("%s (%v)", otherwise, err)
	}
}

// An acknowledgement is lost: the message comes again after ack_wait, and not before.
func redelivery(nc *nats.Conn) {
	_, work := setUp(nc, "redelivery", 5)
	control(nc, "FAULT.ADD", "fault lost-ack drop kind=ack stream=redelivery")

	check(next(work, 1).Ack())
	control(nc, "FAULT.WAIT", "lost-ack")

	advance(nc, "29s")
	none(work, "it came again before ack_wait was over")
	advance(nc, "1s")
	again := next(work, 2)
	control(nc, "FAULT.CLEAR", "lost-ack")
	check(again.AckSync())
	fmt.Println("redelivery: a lost ack brought the message back after 30 s")
}

// A message nobody can handle: three attempts, one advisory, and a copy where somebody looks.
func deadLetter(nc *nats.Conn) {
	js, work := setUp(nc, "deadletter", 3)
	_, err := js.AddStream(&nats.StreamConfig{Name: "dlq", Subjects: []string{"dlq.>"}})
	check(err)
	advisories, err := nc.SubscribeSync("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.deadletter.work")
	check(err)
	check(nc.Flush())

	for attempt := uint64(1); attempt <= 3; attempt++ {
		check(next(work, attempt).Nak())
	}
	// The server notices that the attempts are used up when somebody asks for the next message.
	none(work, "there was a fourth attempt")
	message, err := advisories.NextMsg(5 * time.Second)
	check(err)
	var advisory struct {
		Stream     string
		StreamSeq  uint64 `json:"stream_seq"`
		Deliveries int
	}
	check(json.Unmarshal(message.Data, &advisory))
	if advisory.Deliveries != 3 {
		log.Fatalf("the advisory says %d deliveries", advisory.Deliveries)
	}

	// The advisory points at the message, which is still in its stream.
	dead, err := js.GetMsg(advisory.Stream, advisory.StreamSeq)
	check(err)
	_, err = js.PublishMsg(&nats.Msg{Subject: "dlq.deadletter", Data: dead.Data, Header: nats.Header{"Original-Subject": {dead.Subject}}})
	check(err)
	letter, err := js.GetLastMsg("dlq", "dlq.>")
	check(err)
	if string(letter.Data) != "an order" {
		log.Fatalf("the dead letter is %q", letter.Data)
	}
	fmt.Println("dead letter: three attempts, one advisory, and the message is in the dead letter stream")
}

// The server restarts with a message unacknowledged: it comes again, and its count goes on.
func restart(nc *nats.Conn) {
	_, work := setUp(nc, "restart", 5)
	next(work, 1)

	back := make(chan struct{}, 1)
	nc.SetReconnectHandler(func(*nats.Conn) { back <- struct{}{} })
	control(nc, "SERVER.RESTART", "0s")
	select {
	case <-back:
	case <-time.After(10 * time.Second):
		log.Fatal("the client did not come back")
	}

	advance(nc, "30s")
	check(next(work, 2).AckSync())
	fmt.Println("restart: the unacknowledged message came again after the server was back")
}

func check(err error) {
	if err != nil {
		log.Output(2, err.Error())
		os.Exit(1)
	}
}

func main() {
	log.SetFlags(log.Lshortfile)
	nc, err := nats.Connect(os.Getenv("NATS_URL"), nats.ReconnectWait(100*time.Millisecond), nats.MaxReconnects(-1))
	check(err)
	defer nc.Close()
	redelivery(nc)
	deadLetter(nc)
	restart(nc)
}
