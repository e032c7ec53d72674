#include "discovery/kubernetes/yaml.h"

#include <memory>
#include <stdexcept>
#include <string>

#include <yaml.h>

namespace sluice::discovery::kubernetes {
namespace {

namespace json = boost::json;

constexpr unsigned kDeepest = 32;  // an alias may name a node that holds it

json::value convert(yaml_document_t& document, int index, unsigned depth);

std::string text_of(const yaml_node_t& scalar) {
  return {reinterpret_cast<const char*>(scalar.data.scalar.value), scalar.data.scalar.length};
}

json::value convert_scalar(const yaml_node_t& node) {
  const std::string text = text_of(node);
  const bool plain = node.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
  if (plain && (text.empty() || text == "~" || text == "null")) return nullptr;
  return json::string(text);
}

json::value convert_mapping(yaml_document_t& document, const yaml_node_t& node, unsigned depth) {
  json::object out;
  for (auto* pair = node.data.mapping.pairs.start; pair < node.data.mapping.pairs.top; ++pair) {
    const yaml_node_t* key = yaml_document_get_node(&document, pair->key);
    if (!key || key->type != YAML_SCALAR_NODE) throw std::runtime_error("a key is not a string");
    out[text_of(*key)] = convert(document, pair->value, depth);
  }
  return out;
}

json::value convert(yaml_document_t& document, int index, unsigned depth) {
  const yaml_node_t* node = yaml_document_get_node(&document, index);
  if (!node) return nullptr;
  if (depth > kDeepest) throw std::runtime_error("it is nested too deeply");
  if (node->type == YAML_SCALAR_NODE) return convert_scalar(*node);
  if (node->type == YAML_MAPPING_NODE) return convert_mapping(document, *node, depth + 1);
  json::array out;
  for (auto* item = node->data.sequence.items.start; item < node->data.sequence.items.top; ++item)
    out.push_back(convert(document, *item, depth + 1));
  return out;
}

}  // namespace

json::value read_yaml(std::string_view text) {
  yaml_parser_t parser;
  if (!yaml_parser_initialize(&parser)) throw std::bad_alloc();
  const std::unique_ptr<yaml_parser_t, decltype(&yaml_parser_delete)> parser_owner(
      &parser, yaml_parser_delete);
  yaml_parser_set_input_string(&parser, reinterpret_cast<const unsigned char*>(text.data()),
                               text.size());
  yaml_document_t document;
  if (!yaml_parser_load(&parser, &document))
    throw std::runtime_error("line " + std::to_string(parser.problem_mark.line + 1) + ": " +
                             (parser.problem ? parser.problem : "it is not YAML"));
  const std::unique_ptr<yaml_document_t, decltype(&yaml_document_delete)> document_owner(
      &document, yaml_document_delete);
  return convert(document, 1, 0);
}

}  // namespace sluice::discovery::kubernetes
