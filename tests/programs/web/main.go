// Command tenantry-web is what runs in containers of tests with real nodes: one
// static file, without a shell, that is a small web server, a client for it, and
// the program that holds a pod's namespaces.
//
//	web                serve on $PORT (8080): see below
//	web pause          wait for SIGTERM, and collect orphans
//	web get URL        print what a URL answers; exit code 1 unless that is 200
//	web lookup NAME    print the addresses of a name
//	web -p FOLDER … -a create
//	                   make a folder that everybody may write to, or remove it
//	                   (-a delete), as a provisioner of volumes asks for
//
// The server:
//
//	GET  /                     the pod's name
//	GET  /healthz              200, or 503 while it starts
//	GET  /kept                 what is in $KEEP/kept
//	POST /keep?text=TEXT       writes that file
//	POST /burn?for=10s         keeps one CPU busy
//	POST /exit?code=1&slow=5s  ends; the next start in this pod is ready after that time
//
// Started with $START_SLOW=5s it takes that long, too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// The next start in the same pod finds here how long it is to take: /tmp is a
// volume of the pod.
const slowFile = "/tmp/start-slow"

func main() {
	log.SetFlags(0)
	args := append(os.Args[1:], "serve", "")
	switch args[0] {
	case "serve":
		serve()
	case "pause":
		pause()
	case "get":
		get(args[1])
	case "lookup":
		lookup(args[1])
	case "-p":
		volume(args)
	default:
		log.Fatalf("web: no command %q; it knows serve, pause, get URL and lookup NAME", args[0])
	}
}

func serve() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	var ready atomic.Bool
	go func() {
		time.Sleep(startSlow())
		ready.Store(true)
	}()
	name, _ := os.Hostname()
	http.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	http.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) })
	http.HandleFunc("GET /kept", kept)
	http.HandleFunc("POST /keep", keep)
	http.HandleFunc("POST /burn", burn)
	http.HandleFunc("POST /exit", exit)
	server := &http.Server{Addr: ":" + port}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		_ = server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal("web: can't serve: ", err)
	}
}

func startSlow() time.Duration {
	text := os.Getenv("START_SLOW")
	if once, err := os.ReadFile(slowFile); err == nil {
		text = string(once)
		_ = os.Remove(slowFile)
	}
	slow, _ := time.ParseDuration(text)
	return slow
}

// A folder on the pod's own volume.
func keepFile() string { return filepath.Join(os.Getenv("KEEP"), "kept") }

func kept(w http.ResponseWriter, _ *http.Request) {
	text, err := os.ReadFile(keepFile())
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	fmt.Fprintln(w, string(text))
}

func keep(w http.ResponseWriter, r *http.Request) {
	if err := os.WriteFile(keepFile(), []byte(r.URL.Query().Get("text")), 0o600); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, "kept")
}

func volume(args []string) {
	flags := flag.NewFlagSet("volume", flag.ExitOnError)
	folder, action := flags.String("p", "", "the folder"), flags.String("a", "", "create or delete")
	_, _ = flags.String("s", "", "its size"), flags.String("m", "", "its mode")
	_ = flags.Parse(args)
	var err error
	switch *action {
	case "create":
		if err = os.MkdirAll(*folder, 0o777); err == nil {
			err = os.Chmod(*folder, 0o777)
		}
	case "delete":
		err = os.RemoveAll(*folder)
	default:
		err = fmt.Errorf("no action %q", *action)
	}
	if err != nil {
		log.Fatal("web: ", err)
	}
}

func burn(w http.ResponseWriter, r *http.Request) {
	span, err := time.ParseDuration(r.URL.Query().Get("for"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	go func() {
		for end := time.Now().Add(span); time.Now().Before(end); {
		}
	}()
	fmt.Fprintln(w, "burning")
}

func exit(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(r.URL.Query().Get("code"))
	if err == nil {
		err = os.WriteFile(slowFile, []byte(r.URL.Query().Get("slow")), 0o600)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintln(w, "ending")
	_ = http.NewResponseController(w).Flush()
	time.AfterFunc(100*time.Millisecond, func() { os.Exit(code) })
}

func pause() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for got := range signals {
		if got != syscall.SIGCHLD {
			return
		}
		for {
			if id, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); id <= 0 || err != nil {
				break
			}
		}
	}
}

// A POST when the URL has a query: only those change something.
func get(url string) {
	client := &http.Client{Timeout: 5 * time.Second}
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		log.Fatal("web: ", err)
	}
	if request.URL.RawQuery != "" {
		request.Method = http.MethodPost
	}
	response, err := client.Do(request)
	if err != nil {
		log.Fatal("web: ", err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(os.Stdout, response.Body)
	if response.StatusCode != http.StatusOK {
		log.Fatal("web: ", response.Status)
	}
}

func lookup(name string) {
	within, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupHost(within, name)
	if err != nil {
		log.Fatal("web: ", err)
	}
	for _, address := range found {
		fmt.Println(address)
	}
}
