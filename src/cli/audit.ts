/** `remit audit`: the commands about the log of records. */
import { auditCheckCommand } from './audit-check.js';
import { auditExportCommand } from './audit-export.js';
import { auditProveCommand } from './audit-prove.js';
import { auditVerifyCommand } from './audit-verify.js';
import { defineCommandGroup } from './command/define-command.js';

export const auditCommand = defineCommandGroup({
  name: 'audit',
  description: `
    Verifies the log of records, proves that a record is in it, checks such a proof, or exports the log. The running service
    of the data directory is asked; where none runs, the command opens the engines itself. "check" needs neither.`,
  commands: {
    verify: auditVerifyCommand,
    prove: auditProveCommand,
    check: auditCheckCommand,
    export: auditExportCommand,
  },
  summaries: {
    verify: 'verifies the whole log, against its records and against checkpoints that were kept',
    prove: 'prints the proof that a record is in the log',
    check: 'verifies a receipt or a proof offline, by the public key of the log',
    export: 'prints the leaves of the log',
  },
  defaultCommand: 'verify',
});
