/** Replaces cdktf by its fork wherever Node loads it. */

import { registerHooks } from 'node:module';

registerHooks({
  resolve: (specifier, context, next) => next(specifier === 'cdktf' ? 'cdktn' : specifier, context),
});
