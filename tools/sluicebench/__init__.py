"""tools/bench: what a call through Sluice costs beside what it costs through others, on one machine in one run.

The lab's namespaces (tools/sluicelab) get a second pair of cables for the peers, with all of the kernel's offloads, while
Sluice's own are AF_XDP ports:

      sluice-client             sluice-lb                               sluice-south           sluice-pod1, sluice-pod2
    eth0 198.18.0.1  ------ north [sluiced] south   198.18.1.1 ------- bridge ------- nghttpd 198.18.1.101
    eth1 198.18.2.1  ------ kernel-n [peer] kernel-s 198.18.1.2 ------   `----------- sluice-pod (gRPC C++) 198.18.1.102
       VIPs: Sluice 198.18.0.10, peers 198.18.2.10         direct: the client in sluice-south, 198.18.1.250

One proxy runs at a time, alone on core 0 with one thread. Load and pods share core 1.
"""
