/** `remit token`: the commands about delegation tokens. */
import { defineCommandGroup } from './command/define-command.js';
import { tokenInspectCommand } from './token-inspect.js';
import { tokenMintCommand } from './token-mint.js';
import { tokenVerifyCommand } from './token-verify.js';

export const tokenCommand = defineCommandGroup({
  name: 'token',
  description: `
    Mints a delegation token from the development issuer, explains a token in words, or verifies one. "mint" can be left
    out where options follow: remit token --user ann --agent helper. As TOKEN, "-" reads standard input.`,
  commands: { mint: tokenMintCommand, inspect: tokenInspectCommand, verify: tokenVerifyCommand },
  summaries: {
    mint: 'prints a new token, signed by the development issuer',
    inspect: 'explains a token in words, without verifying it',
    verify: 'verifies the signature, and whether the token would be accepted',
  },
  defaultCommand: 'mint',
});
