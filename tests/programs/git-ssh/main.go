// Command tenantry-git-ssh serves the bare repositories below a folder over
// SSH, with git's own upload-pack behind it, and has a switch for every fault
// that such a server can have. Tests start one process for each fault. As `keygen`
// and `certify` it makes the keys that go with it.
package main

import (
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

var (
	root       = flag.String("root", ".", "folder of the bare repositories")
	authorized = flag.String("authorized", "", "authorized_keys file; without it nobody gets in")
	fault      = flag.String("fault", "", "what goes wrong; see serve and run")
	after      = flag.Int("after", 0, "bytes of git's answer before a fault of run; lines of a login-banner")
)

type list []string

func (l *list) String() string     { return strings.Join(*l, ",") }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "keygen":
			keygen(os.Args[2:])
			return
		case "certify":
			certify(os.Args[2:])
			return
		}
	}
	var keys, certificates list
	address := flag.String("addr", "127.0.0.1:0", "address to listen on")
	flag.Var(&keys, "host-key", "private key file (repeatable)")
	flag.Var(&certificates, "host-certificate", "certificate file of the host key in the same place (repeatable)")
	flag.Parse()
	config := &ssh.ServerConfig{PublicKeyCallback: admit}
	for i, file := range keys {
		signer, err := hostKey(file)
		if err == nil && i < len(certificates) {
			// The key alone too, for clients that want no certificate.
			config.AddHostKey(signer)
			signer, err = certified(signer, certificates[i])
		}
		if err != nil {
			log.Fatal(file, ": ", err)
		}
		config.AddHostKey(signer)
	}
	if *fault == "login-banner" {
		config.BannerCallback = func(ssh.ConnMetadata) string { return strings.Repeat("welcome\x1b[31m\r\n", *after) }
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal("git-ssh can't listen: ", err)
	}
	fmt.Printf("listening on %s\n", listener.Addr())
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(conn, config)
	}
}

func hostKey(file string) (ssh.Signer, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if err != nil || *fault != "sha1" {
		return signer, err
	}
	return ssh.NewSignerWithAlgorithms(signer.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
}

func certified(signer ssh.Signer, file string) (ssh.Signer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, err
	}
	return ssh.NewCertSigner(key.(*ssh.Certificate), signer)
}

func admit(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	rest, err := os.ReadFile(*authorized)
	for err == nil && len(rest) > 0 {
		var known ssh.PublicKey
		known, _, _, rest, err = ssh.ParseAuthorizedKey(rest)
		if err == nil && string(known.Marshal()) == string(key.Marshal()) && conn.User() == "git" {
			return nil, nil
		}
	}
	return nil, errors.New("not authorized")
}

// serve has the faults before and beside git.
func serve(conn net.Conn, config *ssh.ServerConfig) {
	defer conn.Close()
	switch *fault {
	case "silent":
		time.Sleep(time.Minute)
	case "close":
		return
	case "garbage":
		_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
		return
	case "endless-banner":
		for {
			if _, err := io.WriteString(conn, strings.Repeat("a", 4096)); err != nil {
				return
			}
		}
	case "banner-lines":
		for {
			if _, err := io.WriteString(conn, "not yet\r\n"); err != nil {
				return
			}
		}
	case "noise":
		// A version, and then packets of any length.
		_, _ = io.WriteString(conn, "SSH-2.0-noise\r\n")
		noise := make([]byte, 1<<16)
		for {
			_, _ = rand.Read(noise)
			if _, err := conn.Write(noise); err != nil {
				return
			}
		}
	}
	server, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		fmt.Printf("handshake: %v\n", err)
		return
	}
	fmt.Printf("login %s\n", server.User())
	go ssh.DiscardRequests(requests)
	for opened := range channels {
		switch {
		case *fault == "no-session":
			_ = opened.Reject(ssh.Prohibited, "no sessions here")
		case *fault == "hang-session":
		default:
			channel, requests, err := opened.Accept()
			if err == nil {
				go session(channel, requests)
			}
		}
	}
}

var command = regexp.MustCompile(`^git-upload-pack '([^']+)'$`)

func session(channel ssh.Channel, requests <-chan *ssh.Request) {
	for request := range requests {
		var payload struct{ Command string }
		if request.Type != "exec" || *fault == "no-exec" || ssh.Unmarshal(request.Payload, &payload) != nil {
			_ = request.Reply(false, nil)
			continue
		}
		fmt.Printf("exec %q\n", payload.Command)
		_ = request.Reply(true, nil)
		go func() {
			status := run(payload.Command, channel)
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
			_ = channel.Close()
		}()
	}
}

// run has git answer, with the faults that need it.
func run(line string, channel ssh.Channel) uint32 {
	said := channel.Stderr()
	switch *fault {
	case "github":
		_, _ = io.WriteString(said, "ERROR: Repository not found.\nfatal: \x1b[31mCould not\u202e read\x07 from remote repository.\n")
		return 1
	case "sick":
		_, _ = io.WriteString(said, "internal error: \x1b]0;pwned\x07 try again later\r\n")
		return 255
	case "mute":
		return 3
	case "flood":
		flood := []byte(strings.Repeat("remote: blah blah\n", 60000))
		for range 10 {
			if _, err := said.Write(flood); err != nil {
				return 1
			}
		}
	case "hang":
		time.Sleep(time.Minute)
	case "endless":
		line := strings.Repeat("a", 40) + " refs/pull/1/head\n"
		packets := strings.Repeat(fmt.Sprintf("%04x%s", len(line)+4, line), 1000)
		for {
			if _, err := io.WriteString(channel, packets); err != nil {
				return 1
			}
		}
	}
	found := command.FindStringSubmatch(line)
	if found == nil {
		_, _ = io.WriteString(said, "only git-upload-pack is served\n")
		return 1
	}
	git := exec.Command("git", "upload-pack", filepath.Join(*root, filepath.Clean("/"+found[1])))
	git.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1"}
	git.Stderr = said
	git.Stdout = &faulty{to: channel}
	// Not as Stdin: then Run would wait until the client has closed its side too.
	input, err := git.StdinPipe()
	if err == nil {
		go func() {
			_, _ = io.Copy(input, channel)
			_ = input.Close()
		}()
		err = git.Run()
	}
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return uint32(ended.ExitCode())
	} else if err != nil {
		return 1
	}
	return 0
}

// faulty passes git's answer on until a fault has its turn.
type faulty struct {
	to   ssh.Channel
	sent int
}

func (f *faulty) Write(bytes []byte) (int, error) {
	for i := range bytes {
		at := f.sent
		f.sent++
		switch {
		case *fault == "slow":
			time.Sleep(200 * time.Millisecond)
		case *fault == "cut" && at == *after:
			_ = f.to.Close()
			return i, io.ErrClosedPipe
		case *fault == "stall" && at == *after:
			time.Sleep(time.Minute)
		case *fault == "flip" && at == *after:
			bytes[i] ^= 0x55
		case *fault == "slow" || *fault == "cut" || *fault == "stall" || *fault == "flip":
		default:
			n, err := f.to.Write(bytes[i:])
			f.sent += n - 1
			return i + n, err
		}
		if _, err := f.to.Write(bytes[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(bytes), nil
}
