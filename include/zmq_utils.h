/*  Deprecated: what this header once declared is in zmq.h. Kept so that old sources compile, with
 *  a remark from compilers that can give one. */

#ifndef __ZMQ_UTILS_H_INCLUDED__
#define __ZMQ_UTILS_H_INCLUDED__

#if defined(__GNUC__) && !defined(ZMQ_NO_DEPRECATION_NOTE)
#pragma message("zmq_utils.h is deprecated: include zmq.h, which declares everything it did")
#endif

#include "zmq.h"

#endif
