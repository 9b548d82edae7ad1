/* SPDX-License-Identifier: MIT */
/* order.h: the order in which variables are kept. */
#ifndef NNCC_ORDER_H
#define NNCC_ORDER_H

#include "../ir/ir.h"

/* Sets perm of every variable by how the forward parts of all functions read it; those that no product
 * reads stay as they are saved. Nodes are not changed. */
void order_vars(Program *);

#endif
