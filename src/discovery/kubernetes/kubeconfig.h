#pragma once
// kubeconfig files, as kubectl has them.
// kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig

#include <filesystem>
#include <string>

#include "discovery/kubernetes/api_server.h"

namespace sluice::discovery::kubernetes {

// The server and the credentials of a context; empty: the file's current-context. Files that the
// kubeconfig names are not read yet. Credentials that take a command, a login or a password are
// refused. Throws std::runtime_error with a sentence for the operator.
ApiServer read_kubeconfig(const std::filesystem::path& file, const std::string& context);

}  // namespace sluice::discovery::kubernetes
