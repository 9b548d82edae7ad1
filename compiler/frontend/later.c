/* SPDX-License-Identifier: MIT */
/* later.c: the words of the model language, so that what nncc has not yet is refused by name.
 *
 * The lists are the language's, complete: a word for which there is a row is found before they are
 * asked, so nothing here changes when one is added.
 */
#include "builder.h"

static const char layers[] =
    "dense conv1d conv2d conv3d conv_transpose1d conv_transpose2d maxpool1d maxpool2d "
    "avgpool1d avgpool2d global_avgpool global_maxpool adaptive_avgpool2d upsample2d "
    "batchnorm layernorm rmsnorm groupnorm instancenorm dropout embedding positional rnn lstm "
    "gru scan attention transformer_encoder transformer_decoder flatten reshape permute slice "
    "pad squeeze unsqueeze concat stack split add sub mul div max min mean sum amax amin relu "
    "relu6 leaky_relu prelu elu selu celu gelu silu mish sigmoid hardsigmoid hardswish tanh "
    "softplus softsign softmax log_softmax identity standardize impute pca one_hot augment";

static const char losses[] =
    "mse mae huber bce bce_with_logits softmax_cross_entropy nll kl_normal focal dice hinge "
    "cosine_similarity triplet ctc";

static const char metrics[] =
    "accuracy top_k precision recall f1 auc iou rmse r2 perplexity error_rate";

bool later_call(const char *name)
{
    return word_in(layers, name) || word_in(losses, name) || word_in(metrics, name);
}
