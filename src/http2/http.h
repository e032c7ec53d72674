#pragma once
// The names of room `http` that this room uses throughout.

#include "http/fields.h"
#include "http/origin.h"

namespace sluice::http2 {

using http::Field;
using http::FieldList;
using http::FieldRef;
using http::kNameCount;
using http::kNameText;
using http::Name;
using http::name_of;
using http::Origin;
using http::OriginLoan;
using http::text_of;

}  // namespace sluice::http2
