package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"strings"
)

// gitHTTP serves the bare repositories below a folder over smart HTTP, with
// git's own `git http-backend` behind it, so that tests and demo talk to the
// server code that forges run. With -user and -password every request needs
// those Basic credentials.
func gitHTTP(args []string) {
	flags := flag.NewFlagSet("git-http", flag.ExitOnError)
	addr := flags.String("addr", "127.0.0.1:0", "address to listen on")
	root := flags.String("root", ".", "folder of the bare repositories")
	user := flags.String("user", "", "user name that every request must carry (empty: anonymous)")
	password := flags.String("password", "", "password that goes with -user")
	_ = flags.Parse(args)

	git, err := exec.LookPath("git")
	if err != nil {
		log.Fatal("git-http needs the git program on the PATH: ", err)
	}
	backend := &cgi.Handler{
		Path: git,
		Args: []string{"http-backend"},
		Dir:  *root,
		Env: []string{
			"GIT_PROJECT_ROOT=" + *root,
			"GIT_HTTP_EXPORT_ALL=1",
			"HOME=" + os.DevNull,
			"GIT_CONFIG_NOSYSTEM=1",
		},
		InheritEnv: []string{"PATH"},
		Stderr:     os.Stderr,
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/healthz") {
			fmt.Fprintln(w, "ok")
			return
		}
		if *user != "" {
			gotUser, gotPassword, ok := r.BasicAuth()
			if !ok || gotUser != *user || gotPassword != *password {
				w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
				http.Error(w, "unauthorized", http.StatusUnauthorized)
				return
			}
		}
		// git http-backend takes pushes only from an authenticated user.
		request := *backend
		request.Env = append([]string{"REMOTE_USER=tenantry"}, backend.Env...)
		request.ServeHTTP(w, r)
	})
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal("git-http can't listen: ", err)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	log.Fatal(http.Serve(listener, handler))
}
