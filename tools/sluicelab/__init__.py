"""The lab: network namespaces in which people try Sluice and in which its end-to-end tests run.

        sluice-client            sluice-lb                 sluice-south            sluice-pod1..N
      eth0 198.18.0.1/24 ---- north [sluiced] south ---- bridge br0 ------------ eth0 198.18.1.101/24, .102, ...
                              198.18.0.2   198.18.1.1    198.18.1.250
                              VIP 198.18.0.10            (for measuring pods directly)

With a wire (`tools/lab up --impair SPEC`), the client's cable ends at tools/wire, and behind it a bridge leads to north and to
a machine of its own, sluice-reference, 198.18.0.20, that has nothing but the kernel's TCP:

      eth0 198.18.0.1/24 ---- [wire] ---- bridge ---- north [sluiced] ...
                                             `------- eth0 198.18.0.20/24

North and south belong to DPDK: with AF_XDP they are the inner ends of veth pairs, with TAP they are TAP devices that DPDK
makes, each bridged to a veth pair. Everything listens on port 50051. The worker has core 0; all else runs on core 1.
"""
