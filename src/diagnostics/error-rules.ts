/** The closed list of the errors that a reading of the operator's files can find. Their names are stable. */

export interface RuleDescription {
  readonly title: string;
  readonly why: string;
  readonly cure: string;
}

export const ERROR_RULES = {
  'yaml-syntax': {
    title: 'A YAML file that does not parse',
    why: 'Nothing in it can be trusted: of a key that is given twice, one value would hide the other.',
    cure: 'Mend the line that is named.',
  },
  'config-invalid': {
    title: 'A configuration that does not fit',
    why: 'An unknown key is a setting that its author relies on and nothing obeys.',
    cure: 'See the keys in docs/reference/configuration.md, or let the editor complete them.',
  },
  'spicedb-schema': {
    title: 'A SpiceDB schema that SpiceDB refuses',
    why: 'No relationship can be asked about without it.',
    cure: 'Mend the line that is named; the message is SpiceDB’s.',
  },
  'cedar-schema': {
    title: 'A Cedar schema that Cedar refuses',
    why: 'The schema is the catalogue of what can be asked.',
    cure: 'Mend the line that is named; the message is Cedar’s.',
  },
  'unknown-definition': {
    title: 'A type whose definition the SpiceDB schema does not have',
    why: 'No subject could hold a permission on it.',
    cure: 'Name the definition with `@object`, or add it to the SpiceDB schema.',
  },
  'unknown-permission': {
    title: 'A permission that the definition does not have',
    why: 'The action, the member of `can` or the remedy asks SpiceDB for it.',
    cure: 'Name one that it has (`@permission`), or add it to the SpiceDB schema.',
  },
  'unknown-annotation': {
    title: 'An annotation that is nearly one of Remit’s',
    why: 'A slip in `@duty` turns a policy that only adds obligations into one that permits.',
    cure: 'Write it as suggested; give an annotation of your own another name.',
  },
  'invalid-annotation': {
    title: 'An annotation with an invalid value',
    why: 'It would be a rule without effect.',
    cure: 'See the annotations in docs/reference/configuration.md.',
  },
  'context-member': {
    title: 'A member of `context` that Remit does not supply, or not of this type, or not always',
    why: 'Policies that read it would fail, and so deny, every time.',
    cure: 'Use one of the members in docs/reference/configuration.md, with `?` where it says so; what clients send goes under `request`.',
  },
  'unsupported-type': {
    title: 'A type that Remit can’t give a value to',
    why: 'Tags, and names that Cedar’s JSON reserves, can’t be supplied.',
    cure: 'Declare plain attributes.',
  },
  'ambiguous-action': {
    title: 'Two actions for one name and one type of resource',
    why: 'A request names these two and nothing else, so it could mean either.',
    cure: 'Rename one, or let it apply to another type.',
  },
  'ambiguous-actors': {
    title: 'Agents that can’t be told from users, or from each other',
    why: 'Tokens say bare ids, so one definition must stand for agents and one for users.',
    cure: 'Keep `delegator` to one definition, and name agents in it directly.',
  },
  'policy-syntax': {
    title: 'A policy that Cedar can’t read',
    why: 'A forbid that is not read forbids nothing, so no policy of the set is used.',
    cure: 'Mend the line that is named; the message is Cedar’s.',
  },
  'policy-too-large': {
    title: 'A policy that is too long, or nested too deeply',
    why: 'It could exhaust Cedar’s stack when it is evaluated.',
    cure: 'Split it.',
  },
  'no-policy': {
    title: 'Policy files without a policy',
    why: 'Nothing would be permitted, which is hardly meant; more likely the files are lost.',
    cure: 'Put the policies there, or name the directory that has them.',
  },
  'missing-id': {
    title: 'A policy without an `@id`',
    why: 'Reasons and records name policies by it.',
    cure: 'Give it an id that no other policy has.',
  },
  'duplicate-id': {
    title: 'An `@id` that another policy has',
    why: 'A record would not say which of them decided.',
    cure: 'Rename one of them.',
  },
  'invalid-remedy': {
    title: 'A `@remedy` that lifts nothing',
    why: 'People would be sent to ask for something that does not exist.',
    cure: 'On a forbid: `consent`, `approval:<permission>` or `step_up:<acr>`.',
  },
  'invalid-duty': {
    title: 'A `@duty` that can’t be carried out',
    why: 'What should be masked would be shown.',
    cure: 'Write it as a permit; name a kind that there is, and a class or an attribute of the resource.',
  },
  'policy-invalid': {
    title: 'A policy that does not fit the schema',
    why: 'It would fail when it is evaluated, and a policy that fails denies.',
    cure: 'Mend what is named; the message is Cedar’s.',
  },
  'policy-impossible': {
    title: 'A policy that no question can match, by the schema',
    why: 'Its author believes that it does something.',
    cure: 'Mend its scope or its condition, or remove it.',
  },
  'reference-limit': {
    title: 'A policy that follows references too far, or to too many entities',
    why: 'Each entity that it reaches is fetched for each question; one that isn’t would silently be absent.',
    cure: 'Keep what the policy decides by in an attribute that is nearer.',
  },
  'world-invalid': {
    title: 'A world file that does not fit',
    why: 'It would not be loaded.',
    cure: 'See "A world file" in docs/reference/configuration.md, or let the editor complete it.',
  },
  'relationship-invalid': {
    title: 'A relationship that the SpiceDB schema does not allow',
    why: 'SpiceDB refuses it, and with it the world.',
    cure: 'Name a relation of the definition, and a subject that the relation takes.',
  },
  'entity-invalid': {
    title: 'An entity that the Cedar schema does not allow',
    why: 'An attribute of a wrong type makes every policy that reads it fail.',
    cure: 'Give each attribute its declared type; parents must be declared by `in`.',
  },
  'test-failed': {
    title: 'A test of the policies that fails',
    why: 'The policies decide something else than their authors have written down, so no service takes them.',
    cure: 'Mend the policy or the test; `remit test` explains the decision.',
  },
  'test-invalid': {
    title: 'A test file that can’t be run',
    why: 'Nothing else shows what it was meant to show.',
    cure: 'Mend what is named; docs/guide/testing.md describes the format.',
  },
  'ignore-invalid': {
    title: 'A `remit-ignore` without a rule that can be ignored, or without a reason',
    why: 'A check that is switched off is a decision, and its reason will be asked for.',
    cure: '`// remit-ignore: <rule> — <reason>`; errors can’t be ignored.',
  },
} as const satisfies Record<string, RuleDescription>;

export type ErrorRule = keyof typeof ERROR_RULES;
