// Command tenantry-csi is a CSI driver of one node for tests: a volume is a folder, a snapshot is a copy of one.
// Everything around it is the real thing: kubelet, external-provisioner, csi-snapshotter, snapshot-controller.
//
// A file named unreadable.fault in a volume can't be read once the volume is mounted: the memory of this process lies
// over it, which the kernel gives to nobody else, whatever rights they have to files.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// fault is the name of files that can't be read.
const fault = "unreadable.fault"

type driver struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedControllerServer
	csi.UnimplementedNodeServer
	registration.UnimplementedRegistrationServer

	name, node, data, endpoint string
	// One call at a time: folders are copied whole.
	lock sync.Mutex
}

func main() {
	d := &driver{}
	flag.StringVar(&d.name, "name", "csi.testbed.example.com", "the driver's name")
	flag.StringVar(&d.node, "node", "", "the node it is on")
	flag.StringVar(&d.data, "data", "", "folder of volumes and snapshots")
	flag.StringVar(&d.endpoint, "endpoint", "", "path of its socket")
	registry := flag.String("registry", "", "path of the socket by which the kubelet finds it")
	flag.Parse()
	for _, folder := range []string{"volumes", "snapshots"} {
		if err := os.MkdirAll(filepath.Join(d.data, folder), 0o755); err != nil {
			log.Fatal(err)
		}
	}
	server := grpc.NewServer()
	csi.RegisterIdentityServer(server, d)
	csi.RegisterControllerServer(server, d)
	csi.RegisterNodeServer(server, d)
	go serve(server, d.endpoint)
	registrar := grpc.NewServer()
	registration.RegisterRegistrationServer(registrar, d)
	serve(registrar, *registry)
}

func serve(server *grpc.Server, socket string) {
	_ = os.Remove(socket)
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(server.Serve(listener))
}

func (d *driver) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: d.name, Endpoint: d.endpoint, SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (d *driver) NotifyRegistrationStatus(_ context.Context, told *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if !told.PluginRegistered {
		log.Printf("the kubelet refuses: %s", told.Error)
	}
	return &registration.RegistrationStatusResponse{}, nil
}

func (d *driver) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: d.name, VendorVersion: "1"}, nil
}

func (d *driver) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	answer := &csi.GetPluginCapabilitiesResponse{}
	for _, kind := range []csi.PluginCapability_Service_Type{
		csi.PluginCapability_Service_CONTROLLER_SERVICE,
		csi.PluginCapability_Service_VOLUME_ACCESSIBILITY_CONSTRAINTS,
	} {
		service := &csi.PluginCapability_Service_{Service: &csi.PluginCapability_Service{Type: kind}}
		answer.Capabilities = append(answer.Capabilities, &csi.PluginCapability{Type: service})
	}
	return answer, nil
}

func (d *driver) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{Ready: wrapperspb.Bool(true)}, nil
}

func (d *driver) ControllerGetCapabilities(context.Context, *csi.ControllerGetCapabilitiesRequest) (*csi.ControllerGetCapabilitiesResponse, error) {
	answer := &csi.ControllerGetCapabilitiesResponse{}
	for _, kind := range []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
		csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS,
	} {
		rpc := &csi.ControllerServiceCapability_Rpc{Rpc: &csi.ControllerServiceCapability_RPC{Type: kind}}
		answer.Capabilities = append(answer.Capabilities, &csi.ControllerServiceCapability{Type: rpc})
	}
	return answer, nil
}

// path of a volume or snapshot; ids are names of folders and nothing else.
func (d *driver) path(kind, id string) (string, error) {
	if id == "" || id == "." || id == ".." || strings.ContainsRune(id, '/') {
		return "", status.Errorf(codes.InvalidArgument, "%q is no id", id)
	}
	return filepath.Join(d.data, kind, id), nil
}

// fill makes a folder from another one, or empty; whole or not at all.
func (d *driver) fill(to, from string) error {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	part := to + ".part"
	if err := os.RemoveAll(part); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	if from == "" {
		if err := os.Mkdir(part, 0o777); err != nil {
			return status.Error(codes.Internal, err.Error())
		}
		// Not what the umask makes of it: whoever's pod may write there.
		_ = os.Chmod(part, 0o777)
	} else if said, err := exec.Command("cp", "-a", "--reflink=auto", from, part).CombinedOutput(); err != nil {
		return status.Errorf(codes.Internal, "cp: %v: %s", err, said)
	}
	if err := os.Rename(part, to); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return nil
}

func (d *driver) CreateVolume(_ context.Context, asked *csi.CreateVolumeRequest) (*csi.CreateVolumeResponse, error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	to, err := d.path("volumes", asked.GetName())
	if err != nil {
		return nil, err
	}
	from := ""
	if snapshot := asked.GetVolumeContentSource().GetSnapshot(); snapshot != nil {
		if from, err = d.path("snapshots", snapshot.GetSnapshotId()); err != nil {
			return nil, err
		}
		if _, err := os.Stat(from); err != nil {
			return nil, status.Errorf(codes.NotFound, "there is no snapshot %s", snapshot.GetSnapshotId())
		}
	}
	if err := d.fill(to, from); err != nil {
		return nil, err
	}
	return &csi.CreateVolumeResponse{Volume: &csi.Volume{
		VolumeId: asked.GetName(), CapacityBytes: asked.GetCapacityRange().GetRequiredBytes(),
		ContentSource: asked.GetVolumeContentSource(), AccessibleTopology: []*csi.Topology{d.here()},
	}}, nil
}

func (d *driver) DeleteVolume(_ context.Context, asked *csi.DeleteVolumeRequest) (*csi.DeleteVolumeResponse, error) {
	return &csi.DeleteVolumeResponse{}, d.remove("volumes", asked.GetVolumeId())
}

func (d *driver) remove(kind, id string) error {
	d.lock.Lock()
	defer d.lock.Unlock()
	path, err := d.path(kind, id)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return nil
}

func (d *driver) ValidateVolumeCapabilities(_ context.Context, asked *csi.ValidateVolumeCapabilitiesRequest) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{
		VolumeCapabilities: asked.GetVolumeCapabilities(),
	}}, nil
}

func (d *driver) CreateSnapshot(_ context.Context, asked *csi.CreateSnapshotRequest) (*csi.CreateSnapshotResponse, error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	from, err := d.path("volumes", asked.GetSourceVolumeId())
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(from); err != nil {
		return nil, status.Errorf(codes.NotFound, "there is no volume %s", asked.GetSourceVolumeId())
	}
	to, err := d.path("snapshots", asked.GetName())
	if err != nil {
		return nil, err
	}
	if err := d.fill(to, from); err != nil {
		return nil, err
	}
	return &csi.CreateSnapshotResponse{Snapshot: snapshot(asked.GetName(), asked.GetSourceVolumeId())}, nil
}

func snapshot(id, source string) *csi.Snapshot {
	return &csi.Snapshot{SnapshotId: id, SourceVolumeId: source, CreationTime: timestamppb.Now(), ReadyToUse: true}
}

func (d *driver) DeleteSnapshot(_ context.Context, asked *csi.DeleteSnapshotRequest) (*csi.DeleteSnapshotResponse, error) {
	return &csi.DeleteSnapshotResponse{}, d.remove("snapshots", asked.GetSnapshotId())
}

// ListSnapshots is how the snapshotter asks about one that it didn't make itself.
func (d *driver) ListSnapshots(_ context.Context, asked *csi.ListSnapshotsRequest) (*csi.ListSnapshotsResponse, error) {
	answer := &csi.ListSnapshotsResponse{}
	entries, err := os.ReadDir(filepath.Join(d.data, "snapshots"))
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	for _, entry := range entries {
		if asked.GetSnapshotId() == "" || asked.GetSnapshotId() == entry.Name() {
			answer.Entries = append(answer.Entries, &csi.ListSnapshotsResponse_Entry{Snapshot: snapshot(entry.Name(), "")})
		}
	}
	return answer, nil
}

func (d *driver) here() *csi.Topology {
	return &csi.Topology{Segments: map[string]string{d.name + "/node": d.node}}
}

func (d *driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.node, AccessibleTopology: d.here()}, nil
}

func (d *driver) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{}, nil
}

func (d *driver) NodePublishVolume(_ context.Context, asked *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	from, err := d.path("volumes", asked.GetVolumeId())
	if err != nil {
		return nil, err
	}
	to := asked.GetTargetPath()
	if exec.Command("mountpoint", "-q", to).Run() == nil {
		return &csi.NodePublishVolumeResponse{}, nil
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if err := bind(from, to); err != nil {
		return nil, err
	}
	found, _ := filepath.Glob(filepath.Join(to, fault))
	for _, file := range found {
		if err := bind(fmt.Sprintf("/proc/%d/mem", os.Getpid()), file); err != nil {
			return nil, err
		}
	}
	if asked.GetReadonly() {
		if said, err := exec.Command("mount", "-o", "remount,bind,ro", to).CombinedOutput(); err != nil {
			return nil, status.Errorf(codes.Internal, "mount: %v: %s", err, said)
		}
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

func bind(from, to string) error {
	if said, err := exec.Command("mount", "--bind", from, to).CombinedOutput(); err != nil {
		return status.Errorf(codes.Internal, "mount: %v: %s", err, said)
	}
	return nil
}

func (d *driver) NodeUnpublishVolume(_ context.Context, asked *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	to := asked.GetTargetPath()
	if exec.Command("mountpoint", "-q", to).Run() == nil {
		if said, err := exec.Command("umount", "--recursive", to).CombinedOutput(); err != nil {
			return nil, status.Errorf(codes.Internal, "umount: %v: %s", err, said)
		}
	}
	if err := os.Remove(to); err != nil && !os.IsNotExist(err) {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}
