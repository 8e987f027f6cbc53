// Command tenantry-etcd-copy does with etcd's own library what someone who runs a cluster does with its
// backup: take a copy of a running etcd, and make a data folder of a copy.
//
//	etcd-copy save ENDPOINT FILE
//	etcd-copy restore FILE FOLDER PEER-URL
//
// Revisions go on far above those of the copy, and all older ones count as compacted: who watches with a
// revision from the time that is forgotten is told to list anew.
package main

import (
	"context"
	"log"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
)

// More than a cluster writes between two copies.
const revisionBump = 1_000_000_000

func main() {
	log.SetFlags(0)
	args := os.Args[1:]
	manager := snapshot.NewV3(zap.NewNop())
	var err error
	switch {
	case len(args) == 3 && args[0] == "save":
		err = save(manager, args[1], args[2])
	case len(args) == 4 && args[0] == "restore":
		err = manager.Restore(snapshot.RestoreConfig{
			SnapshotPath:        args[1],
			Name:                "default",
			OutputDataDir:       args[2],
			PeerURLs:            []string{args[3]},
			InitialCluster:      "default=" + args[3],
			InitialClusterToken: "etcd-cluster",
			RevisionBump:        revisionBump,
			MarkCompacted:       true,
		})
	default:
		log.Fatal("usage: etcd-copy save ENDPOINT FILE | restore FILE FOLDER PEER-URL")
	}
	if err != nil {
		log.Fatal("etcd-copy: ", err)
	}
}

func save(manager snapshot.Manager, endpoint, file string) error {
	within, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err := manager.Save(within, clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 5 * time.Second}, file)
	return err
}
