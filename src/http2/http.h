#pragma once
// The names of room `http` that this room uses throughout.

#include "http/connection.h"
#include "http/end_reason.h"
#include "http/fields.h"
#include "http/handler.h"
#include "http/origin.h"
#include "http/stall_watch.h"

namespace sluice::http2 {

using http::EndedBy;
using http::EndReason;
using http::Field;
using http::FieldList;
using http::FieldRef;
using http::Handler;
using http::kNameCount;
using http::kNameText;
using http::Name;
using http::name_of;
using http::Origin;
using http::OriginLoan;
using http::StallWatch;
using http::text_of;

}  // namespace sluice::http2
