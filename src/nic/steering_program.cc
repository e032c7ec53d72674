#include "nic/steering_program.h"

#include <bpf/bpf.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/byte_order.h"

namespace sluice::nic {

namespace {

// The registers of eBPF (Documentation/bpf/standardization/instruction-set.rst). The kernel's
// functions and LD_ABS leave r0 to r5 undefined.
constexpr uint8_t kResult = BPF_REG_0;
constexpr uint8_t kTemporary = BPF_REG_1;
constexpr uint8_t kFrame = BPF_REG_6;  // while the frame is read: LD_ABS wants it here
constexpr uint8_t kHeader = BPF_REG_7;
constexpr uint8_t kRemotePort = BPF_REG_8;
constexpr uint8_t kLocalPort = BPF_REG_9;
constexpr uint8_t kV[4] = {BPF_REG_6, BPF_REG_7, BPF_REG_8, BPF_REG_9};  // SipHash's state

// Bytes of the stack below the frame pointer: both addresses, then the word with the ports.
constexpr int16_t kAddresses = -32;
constexpr int16_t kPorts = -40;

constexpr int32_t kEthernet = 14;
constexpr int32_t kTcpOverIp = 6;
constexpr int32_t kUdp = 17;

class Assembler {
 public:
  void add(uint8_t code, uint8_t to, uint8_t from, int16_t offset, int32_t value) {
    program_.push_back(
        {code, static_cast<__u8>(to & 0xf), static_cast<__u8>(from & 0xf), offset, value});
  }
  void copy(uint8_t to, uint8_t from) { add(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
  void alu(uint8_t operation, uint8_t to, uint8_t from) {
    add(static_cast<uint8_t>(BPF_ALU64 | BPF_X | operation), to, from, 0, 0);
  }
  void alu_value(uint8_t operation, uint8_t to, int32_t value) {
    add(static_cast<uint8_t>(BPF_ALU64 | BPF_K | operation), to, 0, 0, value);
  }
  void constant(uint8_t to, uint64_t value) {
    add(BPF_LD | BPF_DW | BPF_IMM, to, 0, 0, static_cast<int32_t>(value));
    add(0, 0, 0, 0, static_cast<int32_t>(value >> 32));
  }
  // From the stack.
  void load(uint8_t to, int16_t at) { add(BPF_LDX | BPF_MEM | BPF_DW, to, BPF_REG_10, at, 0); }
  void store(int16_t at, uint8_t from) { add(BPF_STX | BPF_MEM | BPF_DW, BPF_REG_10, from, at, 0); }
  // Big endian from the frame, to kResult. A frame that is too short ends the program with 0.
  void read(uint8_t size, int32_t at) {
    add(static_cast<uint8_t>(BPF_LD | BPF_ABS | size), 0, 0, 0, at);
  }
  void read_behind(uint8_t size, uint8_t base, int32_t at) {
    add(static_cast<uint8_t>(BPF_LD | BPF_IND | size), 0, base, 0, at);
  }
  void call(int32_t function) { add(BPF_JMP | BPF_CALL, 0, 0, 0, function); }
  void end() { add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }

  // A jump whose target is not known yet; land() is its target.
  size_t jump_if(uint8_t condition, uint8_t reg, int32_t value) {
    add(static_cast<uint8_t>(BPF_JMP | BPF_K | condition), reg, 0, 0, value);
    return program_.size() - 1;
  }
  size_t jump_if_not(uint8_t reg, uint8_t other) {
    add(BPF_JMP | BPF_X | BPF_JNE, reg, other, 0, 0);
    return program_.size() - 1;
  }
  size_t jump() { return jump_if(BPF_JA, 0, 0); }
  void land(size_t jump) { program_[jump].off = static_cast<int16_t>(program_.size() - jump - 1); }
  void land(const std::vector<size_t>& jumps) {
    for (const size_t j : jumps) land(j);
  }

  std::vector<bpf_insn> take() { return std::move(program_); }

 private:
  std::vector<bpf_insn> program_;
};

// As base/hash.h has it: SipHash<1, 3>.
class SipHashCode {
 public:
  SipHashCode(Assembler& a, const SipKey& key) : a_(a) {
    a.constant(kV[0], key.k0 ^ 0x736f6d6570736575ULL);
    a.constant(kV[1], key.k1 ^ 0x646f72616e646f6dULL);
    a.constant(kV[2], key.k0 ^ 0x6c7967656e657261ULL);
    a.constant(kV[3], key.k1 ^ 0x7465646279746573ULL);
  }
  void absorb(int16_t at) {
    a_.load(kResult, at);
    a_.alu(BPF_XOR, kV[3], kResult);
    round();
    a_.load(kResult, at);
    a_.alu(BPF_XOR, kV[0], kResult);
  }
  // To kResult.
  void finish() {
    a_.alu_value(BPF_XOR, kV[2], 0xff);
    for (int i = 0; i < 3; ++i) round();
    a_.copy(kResult, kV[0]);
    for (int i = 1; i < 4; ++i) a_.alu(BPF_XOR, kResult, kV[i]);
  }

 private:
  void rotate(uint8_t v, int32_t bits) {
    a_.copy(kTemporary, v);
    a_.alu_value(BPF_RSH, kTemporary, 64 - bits);
    a_.alu_value(BPF_LSH, v, bits);
    a_.alu(BPF_OR, v, kTemporary);
  }
  void mix(int to, int from, int32_t bits) {
    a_.alu(BPF_ADD, kV[to], kV[from]);
    rotate(kV[from], bits);
    a_.alu(BPF_XOR, kV[from], kV[to]);
  }
  void round() {
    mix(0, 1, 13);
    rotate(kV[0], 32);
    mix(2, 3, 16);
    mix(0, 3, 21);
    mix(2, 1, 17);
    rotate(kV[2], 32);
  }

  Assembler& a_;
};

uint64_t word(const Address& address, size_t at) {
  uint64_t w;
  std::memcpy(&w, address.bytes.data() + at, sizeof w);
  return w;
}

// The part for one version of IP; returns the jumps of frames that have no owner.
class Family {
 public:
  Family(Assembler& a, const FlowOwners& owners, bool v4) : a_(a), owners_(owners), v4_(v4) {}

  std::vector<size_t> write() {
    read_packet();
    answer_for_shares();
    // flow::hash(): the addresses, and a word with the ports and the number of bytes.
    a_.alu_value(BPF_LSH, kLocalPort, 16);
    a_.alu(BPF_OR, kRemotePort, kLocalPort);
    a_.constant(kResult, (v4_ ? 13ULL : 37ULL) << 56);
    a_.alu(BPF_OR, kRemotePort, kResult);
    a_.store(kPorts, kRemotePort);
    SipHashCode hash(a_, owners_.key);
    for (int16_t at = 0; at < addresses_size(); at += 8)
      hash.absorb(static_cast<int16_t>(kAddresses + at));
    hash.absorb(kPorts);
    hash.finish();
    // The low 32 bits, spread over the workers.
    a_.alu_value(BPF_LSH, kResult, 32);
    a_.alu_value(BPF_RSH, kResult, 32);
    a_.alu_value(BPF_MUL, kResult, static_cast<int32_t>(owners_.workers));
    a_.alu_value(BPF_RSH, kResult, 32);
    a_.end();
    return std::move(no_owner_);
  }

 private:
  int16_t addresses_size() const { return v4_ ? 8 : 32; }

  void read_packet() {
    a_.read(BPF_B, kEthernet + (v4_ ? 9 : 6));
    const size_t tcp = a_.jump_if(BPF_JEQ, kResult, kTcpOverIp);
    no_owner_.push_back(a_.jump_if(BPF_JNE, kResult, kUdp));
    a_.land(tcp);
    if (v4_) {
      a_.read(BPF_H, kEthernet + 6);
      no_owner_.push_back(a_.jump_if(BPF_JSET, kResult, 0x3fff));  // MF, or an offset
      a_.read(BPF_B, kEthernet);
      a_.alu_value(BPF_AND, kResult, 0x0f);
      a_.alu_value(BPF_LSH, kResult, 2);
      a_.copy(kHeader, kResult);
    } else {
      a_.alu_value(BPF_MOV, kHeader, 40);
    }
    a_.read_behind(BPF_H, kHeader, kEthernet);
    a_.copy(kRemotePort, kResult);
    a_.read_behind(BPF_H, kHeader, kEthernet + 2);
    a_.copy(kLocalPort, kResult);
    a_.copy(BPF_REG_1, kFrame);
    a_.alu_value(BPF_MOV, BPF_REG_2, kEthernet + (v4_ ? 12 : 8));
    a_.copy(BPF_REG_3, BPF_REG_10);
    a_.alu_value(BPF_ADD, BPF_REG_3, kAddresses);
    a_.alu_value(BPF_MOV, BPF_REG_4, addresses_size());
    a_.call(BPF_FUNC_skb_load_bytes);
    no_owner_.push_back(a_.jump_if(BPF_JNE, kResult, 0));
  }

  // Connections that Sluice opened. The kernel refuses a program with a part that cannot be
  // reached.
  void answer_for_shares() {
    const auto of_family = [this](const Address& address) { return address.is_v4() == v4_; };
    if (std::none_of(owners_.addresses.begin(), owners_.addresses.end(), of_family)) return;
    std::vector<size_t> strangers{a_.jump_if(BPF_JLT, kLocalPort, owners_.first_port),
                                  a_.jump_if(BPF_JGT, kLocalPort, owners_.last_port)};
    std::vector<size_t> ours;
    for (const Address& address : owners_.addresses) {
      if (!of_family(address)) continue;
      std::vector<size_t> differs;
      if (v4_) {
        a_.load(kResult, kAddresses);
        a_.alu_value(BPF_RSH, kResult, 32);
        a_.constant(kTemporary, word(address, 8) >> 32);
        differs.push_back(a_.jump_if_not(kResult, kTemporary));
      } else {
        for (const int16_t at : {int16_t{0}, int16_t{8}}) {
          a_.load(kResult, static_cast<int16_t>(kAddresses + 16 + at));
          a_.constant(kTemporary, word(address, static_cast<size_t>(at)));
          differs.push_back(a_.jump_if_not(kResult, kTemporary));
        }
      }
      ours.push_back(a_.jump());
      a_.land(differs);
    }
    strangers.push_back(a_.jump());
    a_.land(ours);
    a_.copy(kResult, kLocalPort);
    a_.alu_value(BPF_MOD, kResult, static_cast<int32_t>(owners_.workers));
    a_.end();
    a_.land(strangers);
  }

  Assembler& a_;
  const FlowOwners& owners_;
  const bool v4_;
  std::vector<size_t> no_owner_;
};

}  // namespace

std::vector<bpf_insn> steering_program(const FlowOwners& owners) {
  Assembler a;
  a.copy(kFrame, BPF_REG_1);
  a.read(BPF_H, kEthernet - 2);
  const size_t v6 = a.jump_if(BPF_JEQ, kResult, 0x86dd);
  std::vector<size_t> no_owner{a.jump_if(BPF_JNE, kResult, 0x0800)};
  const auto add = [&](bool v4) {
    for (const size_t jump : Family(a, owners, v4).write()) no_owner.push_back(jump);
  };
  add(true);
  a.land(v6);
  add(false);
  a.land(no_owner);
  a.alu_value(BPF_MOV, kResult, 0);
  a.end();
  return a.take();
}

std::string attach_steering(int tap, const FlowOwners& owners) {
  const std::vector<bpf_insn> program = steering_program(owners);
  const int fd = bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "sluice_steering", "Apache-2.0",
                               program.data(), program.size(), nullptr);
  if (fd < 0) return std::string("the kernel does not load it: ") + std::strerror(errno);
  const bool attached = ::ioctl(tap, TUNSETSTEERINGEBPF, &fd) == 0;
  const int error = errno;
  ::close(fd);
  return attached ? std::string()
                  : std::string("TUNSETSTEERINGEBPF fails: ") + std::strerror(error);
}

}  // namespace sluice::nic
