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
      return [...peopleLines(result.people), ...changeLines(result)];
    case 'none':
      return [
        ...peopleLines(result.people),
        `  nothing ${result.people === undefined ? '' : 'else '}is known that would allow it${result.exhausted ? ' (the bound on decisions was met: there may be something)' : ''}`,
        ...(result.changes.length === 0 ? [] : ['  with these:', ...result.changes.map(({ words }) => `    ${words}`)]),
        ...result.remedies.map(remedyLine),
        '  this would still stand in the way:',
        ...result.remaining.map(({ code, message }) => `    ${code}: ${message}`),
      ];
  }
}

/** The yes of people, which is milder than any change: nothing has to be changed for it. */
function peopleLines(people: readonly Remedy[] | undefined): string[] {
  if (people === undefined) return [];
  return [
    `  people can allow it${people.length === 1 ? '' : ', with all of these'}:`,
    ...people.map((remedy) => `    ${describeRemedy(remedy)}`),
  ];
}

/** The changes; before those of policies, the remedies, which are milder. */
function changeLines({
  changes,
  remedies,
  certain,
  mildest,
  decisions,
}: Extract<WhyNotAnswer, { kind: 'changes' }>): string[] {
  const rewritesPolicies = changes.some(({ change }) => change.kind === 'policy');
  const heading = changes.length === 1 ? 'it would be allowed with this' : 'it would be allowed with all of these';
  const proposal = [
    `  ${heading}${rewritesPolicies && remedies.length > 0 ? ', if no remedy is wanted' : ''}:`,
    ...changes.map(({ words }) => `    ${words}`),
  ];
  const remedyLines = remedies.map(remedyLine);
  return [
    ...(rewritesPolicies
      ? [...remedyLines.map((line) => `${line}, which is milder than what follows`), ...proposal]
      : [...proposal, ...remedyLines]),
    ...(certain ? [] : ['  (not all relationships could be read: one may stand in the way)']),
    ...(mildest ? [] : ['  (the bound on decisions was met: there may be something milder)']),
    `  (checked by deciding again; ${decisions} decisions were tried)`,
  ];
}

function remedyLine(remedy: Remedy): string {
  return `  its policies name a remedy: ${describeRemedy(remedy)}`;
}
