// sluice-go-pod: a pod of the lab in Go, whose gRPC server ends connections in two phases (GracefulStop, MaxConnectionAge).
// Takes its place from POD_IP, POD_PORT and POD_NAME; SIGTERM lets running calls end, however long they take.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	echo "sluicelab/echo"
)

type service struct {
	echo.UnimplementedEchoServer
	pod   string
	calls uint64
}

func (s *service) Unary(ctx context.Context, in *echo.EchoRequest) (*echo.EchoReply, error) {
	atomic.AddUint64(&s.calls, 1)
	if in.DelayMs > 0 {
		select {
		case <-time.After(time.Duration(in.DelayMs) * time.Millisecond):
		case <-ctx.Done():
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
	if in.FailCode != 0 {
		return nil, status.Error(codes.Code(in.FailCode), in.FailMessage)
	}
	return &echo.EchoReply{Pod: s.pod, Payload: in.Payload}, nil
}

func environment(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

func main() {
	age := flag.Int("max-age", 0, "milliseconds after which a connection is asked to end (GOAWAY); 0: never")
	grace := flag.Int("max-age-grace", 0, "milliseconds that its calls have from then on; 0: as long as they take")
	flag.Parse()

	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM, syscall.SIGINT)

	listener, err := net.Listen("tcp", environment("POD_LISTEN", environment("POD_IP", "0.0.0.0"))+":"+environment("POD_PORT", "50051"))
	if err != nil {
		log.Fatal(err)
	}
	served := &service{pod: environment("POD_NAME", "pod")}
	// Zero means infinity to both.
	options := []grpc.ServerOption{grpc.KeepaliveParams(keepalive.ServerParameters{
		MaxConnectionAge:      time.Duration(*age) * time.Millisecond,
		MaxConnectionAgeGrace: time.Duration(*grace) * time.Millisecond,
	})}
	if certificate := os.Getenv("POD_CERTIFICATE"); certificate != "" {
		secure, err := credentials.NewServerTLSFromFile(certificate, os.Getenv("POD_KEY"))
		if err != nil {
			log.Fatal(err)
		}
		options = append(options, grpc.Creds(secure))
	}
	server := grpc.NewServer(options...)
	echo.RegisterEchoServer(server, served)
	fmt.Println(served.pod, "serves on", listener.Addr())
	stopped := make(chan struct{})
	go func() {
		<-terminate
		server.GracefulStop()
		close(stopped)
	}()
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
	<-stopped
	fmt.Println(served.pod, "ended:", atomic.LoadUint64(&served.calls), "calls begun")
}
