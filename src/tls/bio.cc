#include "tls/bio.h"

#include <algorithm>

#include "tls/ssl_owner.h"

namespace sluice::tls {
namespace {

SslOwner& owner_of(BIO* bio) {
  return *static_cast<SslOwner*>(BIO_get_data(bio));
}

int read(BIO* bio, char* to, size_t size, size_t* taken) {
  BIO_clear_retry_flags(bio);
  *taken = owner_of(bio).take_received(reinterpret_cast<uint8_t*>(to),
                                       static_cast<uint32_t>(std::min<size_t>(size, UINT32_MAX)));
  if (*taken > 0) return 1;
  BIO_set_retry_read(bio);
  return -1;
}

int write(BIO* bio, const char* from, size_t size, size_t* written) {
  BIO_clear_retry_flags(bio);
  *written = 0;
  if (!owner_of(bio).put_record({reinterpret_cast<const uint8_t*>(from), size})) return -1;
  *written = size;
  return 1;
}

// Nothing is buffered here. The rest is not supported, which 0 says.
long control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* method() {
  static const std::unique_ptr<BIO_METHOD, Free<BIO_meth_free>> m = [] {
    std::unique_ptr<BIO_METHOD, Free<BIO_meth_free>> made(
        BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "sluice::tls"));
    BIO_meth_set_read_ex(made.get(), read);
    BIO_meth_set_write_ex(made.get(), write);
    BIO_meth_set_ctrl(made.get(), control);
    return made;
  }();
  return m.get();
}

}  // namespace

BioPtr make_bio() {
  BioPtr bio(BIO_new(method()));
  if (bio != nullptr) BIO_set_init(bio.get(), 1);
  return bio;
}

}  // namespace sluice::tls
