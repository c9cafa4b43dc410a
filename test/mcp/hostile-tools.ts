/** Tools as a hostile server would list them, for laws. */
import fc from 'fast-check';

const ODD_NAMES = [
  '__proto__',
  'constructor',
  'toString',
  'true',
  'if',
  'null',
  'has',
  '__cedar',
  '__entity',
  'all reads',
  'all deletes',
  'tools/call',
  'list_issues',
  '*',
  'a/b',
  '"; permit (principal, action, resource); //',
  '"] appliesTo { principal: [User], resource: [MCP::Tool] }; };',
  '// remit-ignore untested-permit: x',
  'a\nb',
  'a\u0085b',
  'a\u2028b',
  '\u202Egnp',
  'a\\',
  'a\\u{0}',
  '${x}',
  '- a: b # c',
  '&x *y',
  'é',
  'e\u0301',
  ' a ',
  '',
  'sha256-ab',
  'x'.repeat(200),
  'ä'.repeat(128),
  '\uD800',
  '😀',
];

export const hostileName = fc.oneof(
  fc.constantFrom(...ODD_NAMES),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.stringMatching(/^[a-z][a-z_.-]{0,12}$/),
);

const { schema: hostileSchema } = fc.letrec<{ schema: unknown; object: Record<string, unknown> }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 4 },
    fc.record({ type: fc.constantFrom('string', 'integer', 'number', 'boolean', 'null', 'array', 'strange') }),
    fc.constantFrom(
      true,
      {},
      { enum: ['a', null] },
      { const: 3 },
      { type: ['string', 'null'] },
      { type: ['string', 'integer'] },
      { $ref: '#/$defs/self' },
      { $ref: '#/$defs/none' },
      { $ref: 'https://elsewhere.example/schema' },
    ),
    fc.record({ type: fc.constant('array'), items: tie('schema') }),
    fc.record({ anyOf: fc.array(tie('schema'), { maxLength: 3 }) }),
    tie('object'),
  ),
  object: fc.dictionary(hostileName, tie('schema'), { maxKeys: 4, noNullPrototype: true }).chain((properties) =>
    fc.record({
      type: fc.constant('object'),
      properties: fc.constant(properties),
      required: fc.subarray(Object.keys(properties)),
      $defs: fc.constant({ self: { type: 'object', properties: { again: { $ref: '#/$defs/self' }, name: {} } } }),
    }),
  ),
}));

/** A text as strict JSON has it. */
const hostileText = hostileName.map((text) => text.toWellFormed().replaceAll('\0', ''));

const hint = fc.constantFrom(true, false, undefined, 'yes', 1, null);

export const hostileTool = fc.record(
  {
    name: fc.oneof({ weight: 20, arbitrary: hostileName }, { weight: 1, arbitrary: fc.constantFrom(undefined, 3) }),
    title: hostileText,
    description: hostileText,
    inputSchema: fc.oneof({ weight: 8, arbitrary: hostileSchema }, { weight: 1, arbitrary: fc.constant([]) }),
    outputSchema: fc.oneof(
      fc.record({
        properties: fc.record({ a: fc.record({ 'x-remit-class': fc.constantFrom('pii', 'secret', 'if') }) }),
      }),
      fc.record({ 'x-remit-class': fc.oneof(hostileName, fc.constantFrom('server', 'results', 4)) }),
    ),
    annotations: fc.record(
      { title: hostileText, readOnlyHint: hint, destructiveHint: hint, idempotentHint: hint, openWorldHint: hint },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ['name', 'inputSchema'] },
);
