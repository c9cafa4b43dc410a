/** The changes that would make a deny an allow, printed for people: `remit explain --why-not` without `--json`. */
import type { WhyNotAnswer } from '../../author/why-not/why-not.js';
import type { Remedy } from '../../model/remedies.js';
import { describeRemedy } from './remedy.js';
import { escapedLines, truncateText } from './terminal.js';

/** The length to which a line is cut: a change may quote a whole policy. */
const MAX_LINE_LENGTH = 1000;

export function whyNotText(result: WhyNotAnswer): string {
  const lines = whyNotLines(result).map((line) => truncateText(line, MAX_LINE_LENGTH));
  return `\n${escapedLines(lines)}`;
}

function whyNotLines(result: WhyNotAnswer): string[] {
  switch (result.kind) {
    case 'allowed':
      return ['  why not: it is allowed'];
    case 'inconclusive':
      return [`  why not: inconclusive: ${result.why}`];
    case 'token':
      return [
        `  why not: the token was refused (${result.code}), so nothing can be decided again`,
        `    ${result.needs}`,
      ];
    case 'changes':
      return [
        result.changes.length === 1 ? '  it would be allowed with this:' : '  it would be allowed with all of these:',
        ...result.changes.map(({ words }) => `    ${words}`),
        ...result.remedies.map(remedyLine),
        ...(result.certain ? [] : ['  (not all relationships could be read: one may stand in the way)']),
        `  (checked by deciding again; ${result.decisions} decisions were tried)`,
      ];
    case 'none':
      return [
        `  nothing is known that would allow it${result.exhausted ? ' (the bound on decisions was met: there may be something)' : ''}`,
        ...(result.changes.length === 0 ? [] : ['  with these:', ...result.changes.map(({ words }) => `    ${words}`)]),
        ...result.remedies.map(remedyLine),
        '  this would still stand in the way:',
        ...result.remaining.map(({ code, message }) => `    ${code}: ${message}`),
      ];
  }
}

function remedyLine(remedy: Remedy): string {
  return `  its policies name a remedy: ${describeRemedy(remedy)}`;
}
