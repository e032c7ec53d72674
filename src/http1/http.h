#pragma once
// The names of room `http` that this room uses throughout.

#include "http/connection.h"
#include "http/end_reason.h"
#include "http/fields.h"
#include "http/handler.h"

namespace sluice::http1 {

using http::EndedBy;
using http::EndReason;
using http::Field;
using http::FieldList;
using http::Handler;
using http::Name;
using http::name_of;
using http::text_of;

}  // namespace sluice::http1
