// sluice-go-client: the list of checks of sluice-client --check yes, by grpc-go. Prints a line of JSON for each check.
// The exit code is 1 when a check fails. Cleartext without -ca.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	echo "sluicelab/echo"
)

const (
	callDeadline = 20 * time.Second // so that a check that hangs ends
	bigMessage   = 4000000          // a little below gRPC's default limit of 4 MiB
)

func pattern(size int) []byte {
	made := make([]byte, size)
	for i := range made {
		made[i] = byte(i % 251)
	}
	return made
}

func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), callDeadline)
}

func unary(client echo.EchoClient) error {
	ctx, cancel := within()
	defer cancel()
	reply, err := client.Unary(ctx, &echo.EchoRequest{Payload: []byte("hello")})
	if err != nil {
		return err
	}
	if string(reply.Payload) != "hello" || reply.Pod == "" {
		return fmt.Errorf("the reply is not the request")
	}
	return nil
}

func bigUnary(client echo.EchoClient) error {
	ctx, cancel := within()
	defer cancel()
	payload := pattern(bigMessage)
	reply, err := client.Unary(ctx, &echo.EchoRequest{Payload: payload})
	if err != nil {
		return err
	}
	if !bytes.Equal(reply.Payload, payload) || reply.ReceivedCrc != crc32.ChecksumIEEE(payload) {
		return fmt.Errorf("4 MB changed on their way")
	}
	return nil
}

func serverStream(client echo.EchoClient) error {
	ctx, cancel := within()
	defer cancel()
	const replies = 500
	stream, err := client.ServerStream(ctx, &echo.EchoRequest{Replies: replies, ReplyBytes: 10000})
	if err != nil {
		return err
	}
	expected := pattern(10000)
	for count := uint32(0); ; count++ {
		reply, err := stream.Recv()
		if err == io.EOF && count == replies {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after %d replies: %v", count, err)
		}
		if reply.Sequence != count || !bytes.Equal(reply.Payload, expected) {
			return fmt.Errorf("reply %d changed on its way", count)
		}
	}
}

func clientStream(client echo.EchoClient) error {
	ctx, cancel := within()
	defer cancel()
	const requests = 500
	stream, err := client.ClientStream(ctx)
	if err != nil {
		return err
	}
	sum := crc32.NewIEEE()
	for i := 0; i < requests; i++ {
		payload := pattern(1 + i*37%9000)
		sum.Write(payload)
		if err := stream.Send(&echo.EchoRequest{Payload: payload}); err != nil {
			return err
		}
	}
	reply, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	if reply.ReceivedMessages != requests || reply.ReceivedCrc != sum.Sum32() {
		return fmt.Errorf("messages were lost or changed")
	}
	return nil
}

func bidiPingPong(client echo.EchoClient) error {
	ctx, cancel := within()
	defer cancel()
	stream, err := client.Bidi(ctx)
	if err != nil {
		return err
	}
	for i := uint32(0); i < 200; i++ {
		payload := []byte(fmt.Sprint("message ", i))
		if err := stream.Send(&echo.EchoRequest{Payload: payload}); err != nil {
			return err
		}
		reply, err := stream.Recv()
		if err != nil {
			return err
		}
		if !bytes.Equal(reply.Payload, payload) || reply.Sequence != i {
			return fmt.Errorf("a wrong answer to message %d", i)
		}
	}
	stream.CloseSend()
	if _, err := stream.Recv(); err != io.EOF {
		return fmt.Errorf("the end is %v", err)
	}
	return nil
}

func bidiBothWaysAtOnce(client echo.EchoClient) error {
	ctx, cancel := within()
	defer cancel()
	const messages = 400
	stream, err := client.Bidi(ctx)
	if err != nil {
		return err
	}
	payload := pattern(20000)
	go func() {
		for i := 0; i < messages; i++ {
			if stream.Send(&echo.EchoRequest{Payload: payload}) != nil {
				return
			}
		}
		stream.CloseSend()
	}()
	for count := uint32(0); ; count++ {
		reply, err := stream.Recv()
		if err == io.EOF && count == messages {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after %d messages: %v", count, err)
		}
		if reply.Sequence != count || !bytes.Equal(reply.Payload, payload) {
			return fmt.Errorf("message %d changed on its way", count)
		}
	}
}

func metadataBothWays(client echo.EchoClient) error {
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	sent := map[string]string{"x-text": "plain text, with spaces", "x-raw-bin": string(binary), "x-long": strings.Repeat("l", 3000)}
	ctx, cancel := within()
	defer cancel()
	var header, trailer metadata.MD
	_, err := client.Unary(metadata.NewOutgoingContext(ctx, metadata.New(sent)), &echo.EchoRequest{EchoMetadata: true},
		grpc.Header(&header), grpc.Trailer(&trailer))
	if err != nil {
		return err
	}
	for name, value := range sent {
		if got := header.Get(name); len(got) != 1 || got[0] != value {
			return fmt.Errorf("%s is changed or missing in the header", name)
		}
		if got := trailer.Get("t-" + name); len(got) != 1 || got[0] != value {
			return fmt.Errorf("%s is changed or missing in the trailer", name)
		}
	}
	return nil
}

func expectStatus(err error, code codes.Code, message string) error {
	got := status.Convert(err)
	if got.Code() != code || (message != "" && got.Message() != message) {
		return fmt.Errorf("the status is %v: %s", got.Code(), got.Message())
	}
	return nil
}

func errorStatus(client echo.EchoClient) error {
	ctx, cancel := within()
	defer cancel()
	const message = "not now: 100 % ü"
	_, err := client.Unary(ctx, &echo.EchoRequest{FailCode: uint32(codes.FailedPrecondition), FailMessage: message})
	return expectStatus(err, codes.FailedPrecondition, message)
}

func errorAfterReplies(client echo.EchoClient) error {
	ctx, cancel := within()
	defer cancel()
	stream, err := client.ServerStream(ctx, &echo.EchoRequest{Replies: 3, FailCode: uint32(codes.DataLoss), FailMessage: "after three"})
	if err != nil {
		return err
	}
	count := 0
	for err == nil {
		if _, err = stream.Recv(); err == nil {
			count++
		}
	}
	if count != 3 {
		return fmt.Errorf("got %d replies", count)
	}
	return expectStatus(err, codes.DataLoss, "after three")
}

func deadline(client echo.EchoClient) error {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_, err := client.Unary(ctx, &echo.EchoRequest{DelayMs: 10000})
	return expectStatus(err, codes.DeadlineExceeded, "")
}

// seen asks until a pod says that it saw the call: each question may reach another pod.
func seen(client echo.EchoClient, tag string, cancelled bool) error {
	ctx, cancel := within()
	defer cancel()
	for ctx.Err() == nil {
		reply, err := client.Seen(ctx, &echo.SeenRequest{Tag: tag})
		if err != nil {
			return err
		}
		if reply.Seen && reply.Cancelled == cancelled {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return fmt.Errorf("no pod saw the call, cancelled: %v", cancelled)
}

func cancellation(client echo.EchoClient) error {
	tag := fmt.Sprint("cancelled by Go ", os.Getpid())
	ctx, cancel := within()
	defer cancel()
	stream, err := client.ServerStream(ctx, &echo.EchoRequest{Tag: tag, DelayMs: 100, Replies: 1000000})
	if err != nil {
		return err
	}
	if _, err := stream.Recv(); err != nil {
		return err
	}
	cancel()
	for err == nil {
		_, err = stream.Recv()
	}
	if err := expectStatus(err, codes.Canceled, ""); err != nil {
		return err
	}
	return seen(client, tag, true)
}

func main() {
	target := flag.String("target", "198.18.0.10:50051", "address:port to call")
	ca := flag.String("ca", "", "PEM file with the CA of the target's certificate; without it, cleartext")
	name := flag.String("name", "echo.lab", "with -ca, the name that the certificate must have")
	flag.Parse()

	security := grpc.WithInsecure()
	if *ca != "" {
		credential, err := credentials.NewClientTLSFromFile(*ca, *name)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		security = grpc.WithTransportCredentials(credential)
	}
	connection, err := grpc.Dial(*target, security)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	client := echo.NewEchoClient(connection)
	failed := 0
	for _, check := range []struct {
		name string
		run  func(echo.EchoClient) error
	}{
		{"unary", unary}, {"big_unary", bigUnary}, {"server_stream", serverStream}, {"client_stream", clientStream},
		{"bidi_ping_pong", bidiPingPong}, {"bidi_both_ways_at_once", bidiBothWaysAtOnce}, {"metadata", metadataBothWays},
		{"error_status", errorStatus}, {"error_after_replies", errorAfterReplies}, {"deadline", deadline},
		{"cancellation", cancellation},
	} {
		why := ""
		if err := check.run(client); err != nil {
			why = err.Error()
			failed++
		}
		line, _ := json.Marshal(map[string]interface{}{"check": check.name, "ok": why == "", "why": why})
		fmt.Println(string(line))
	}
	if failed > 0 {
		os.Exit(1)
	}
}
