package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// keygen writes a key pair as ssh-keygen does, so that tests need none: FILE and FILE.pub.
func keygen(args []string) {
	flags := flag.NewFlagSet("keygen", flag.ExitOnError)
	kind := flags.String("type", "ed25519", "ed25519, ecdsa256, ecdsa384 or rsa")
	passphrase := flags.String("passphrase", "", "encrypts the private key")
	file := flags.String("out", "", "file of the private key")
	_ = flags.Parse(args)
	key, err := newKey(*kind)
	fatal(err)
	var block *pem.Block
	if *passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, *kind)
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, *kind, []byte(*passphrase))
	}
	fatal(err)
	fatal(os.WriteFile(*file, pem.EncodeToMemory(block), 0o600))
	signer, err := ssh.NewSignerFromKey(key)
	fatal(err)
	fatal(os.WriteFile(*file+".pub", ssh.MarshalAuthorizedKey(signer.PublicKey()), 0o644))
}

func newKey(kind string) (crypto.Signer, error) {
	switch kind {
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case "ecdsa256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ecdsa384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "rsa":
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, fmt.Errorf("unknown type %q", kind)
}

// certify writes an OpenSSH certificate for a public key.
func certify(args []string) {
	flags := flag.NewFlagSet("certify", flag.ExitOnError)
	authority := flags.String("ca", "", "private key that signs")
	public := flags.String("key", "", "public key that is certified")
	principals := flags.String("principals", "", "names, with commas")
	user := flags.Bool("user", false, "a user's certificate, not a host's")
	option := flags.String("critical", "", "a critical option")
	sha1 := flags.Bool("sha1", false, "sign with ssh-rsa, which is SHA-1")
	from := flags.Duration("from", -time.Hour, "valid from, counted from now")
	to := flags.Duration("to", time.Hour, "valid to, counted from now")
	file := flags.String("out", "", "file of the certificate")
	_ = flags.Parse(args)
	text, err := os.ReadFile(*public)
	fatal(err)
	key, _, _, _, err := ssh.ParseAuthorizedKey(text)
	fatal(err)
	text, err = os.ReadFile(*authority)
	fatal(err)
	signer, err := ssh.ParsePrivateKey(text)
	fatal(err)
	if *sha1 {
		signer, err = ssh.NewSignerWithAlgorithms(signer.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
		fatal(err)
	}
	certificate := &ssh.Certificate{
		Key:             key,
		CertType:        ssh.HostCert,
		KeyId:           "test",
		ValidPrincipals: strings.Split(*principals, ","),
		ValidAfter:      uint64(time.Now().Add(*from).Unix()),
		ValidBefore:     uint64(time.Now().Add(*to).Unix()),
	}
	if *user {
		certificate.CertType = ssh.UserCert
	}
	if *option != "" {
		certificate.CriticalOptions = map[string]string{*option: ""}
	}
	fatal(certificate.SignCert(rand.Reader, signer))
	fatal(os.WriteFile(*file, ssh.MarshalAuthorizedKey(certificate), 0o644))
}

func fatal(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
