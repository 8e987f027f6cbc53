// Checks a log of C2SP's tlog-tiles with the code of those who made the format: Tessera's own check of a whole log, and
// the verifier of cosignatures.
//
//	fsck FOLDER LOG-KEY [WITNESS-KEY]
//
// A key is the line that others believe: NAME+HASH+BASE64. Prints the log's size, its root in hexadecimal and, with a
// witness' key, when it was cosigned, in seconds since 1970. Ends with 1 when anything isn't as it was signed; Tessera's
// own command says so as well, and ends with 0.
package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/transparency-dev/formats/log"
	f_note "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "fsck:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) < 3 || len(os.Args) > 4 {
		return errors.New("usage: fsck FOLDER LOG-KEY [WITNESS-KEY]")
	}
	folder := os.Args[1]
	key, err := f_note.NewVerifier(os.Args[2])
	if err != nil {
		return fmt.Errorf("the log's key: %w", err)
	}
	whole := fsck.New(key.Name(), key, client.FileFetcher{Root: folder}, leaves, fsck.Opts{N: 2})
	if err := whole.Check(context.Background()); err != nil {
		return err
	}
	raw, err := os.ReadFile(filepath.Join(folder, layout.CheckpointPath))
	if err != nil {
		return err
	}
	checkpoint, _, _, err := log.ParseCheckpoint(raw, key.Name(), key)
	if err != nil {
		return err
	}
	said := strconv.FormatUint(checkpoint.Size, 10) + " " + hex.EncodeToString(checkpoint.Hash)
	if len(os.Args) == 4 {
		time, err := cosigned(raw, key, os.Args[3])
		if err != nil {
			return err
		}
		said += " " + strconv.FormatInt(time, 10)
	}
	fmt.Println(said)
	return nil
}

// When the witness cosigned a checkpoint, in seconds.
func cosigned(raw []byte, log note.Verifier, key string) (int64, error) {
	witness, err := f_note.NewVerifierForCosignatureV1(key)
	if err != nil {
		return 0, fmt.Errorf("the witness' key: %w", err)
	}
	opened, err := note.Open(raw, note.VerifierList(log, witness))
	if err != nil {
		return 0, err
	}
	for _, signature := range opened.Sigs {
		if signature.Name == witness.Name() && signature.Hash == witness.KeyHash() {
			time, err := f_note.CoSigV1Timestamp(signature)
			return time.Unix(), err
		}
	}
	return 0, fmt.Errorf("%s didn't cosign the checkpoint", witness.Name())
}

// The leaf hashes of a bundle of entries.
func leaves(bundle []byte) ([][]byte, error) {
	entries := api.EntryBundle{}
	if err := entries.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	hashes := make([][]byte, 0, len(entries.Entries))
	for _, entry := range entries.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(entry))
	}
	return hashes, nil
}
