/** `@elevation` and `@emergency`: what an action carries of them, and how each slip is told at load. */
import { describe, expect, it } from 'vitest';
import { refusal, vocabularyOf } from '../sources.js';

const ZED = `use expiration

definition user {}
definition agent {
  relation delegator: user
}
definition team {
  relation member: user
}
definition doc {
  relation owner: user
  relation editor: user | user with expiration | team#member
  relation lasting: user
  relation cleared: user with expiration
  relation parent: doc
  permission edit = write
  permission write = owner + editor
  permission publish = editor & cleared
  permission shred = editor - owner
  permission file = parent->edit + cleared
  permission read = owner + editor
}
`;
const schemaOf = (annotations: string, action = 'edit'): string => `
  entity User;
  entity Agent;
  @object("doc")
  entity Paper;
  ${annotations}
  action "${action}" appliesTo { principal: [User, Agent], resource: [Paper] };
`;

describe('@elevation and @emergency', () => {
  it('are carried by the action', () => {
    const { find } = vocabularyOf(schemaOf('@elevation("editor by owner for PT1H if read") @emergency("owner")'), ZED);
    expect(find('edit', 'doc')?.action).toMatchObject({
      elevation: { relation: 'editor', by: 'owner', seconds: 3600, condition: 'read' },
      emergency: 'owner',
    });
    expect(vocabularyOf(schemaOf(''), ZED).find('edit', 'doc')?.action).toMatchObject({
      elevation: undefined,
      emergency: undefined,
    });
  });

  it('may give the permission as one part of a union', () => {
    const annotation = '@elevation("cleared by owner for P1D if read")';
    expect(vocabularyOf(schemaOf(annotation, 'file'), ZED).find('file', 'doc')?.action.elevation?.seconds).toBe(86_400);
  });

  it.each([
    ['@elevation("editor")', 'edit', /:6.*@elevation "editor" is no elevation; one is written/s],
    ['@elevation("editor by owner for PT1H")', 'edit', /is no elevation/],
    ['@elevation("Editor by owner for PT1H if read")', 'edit', /names "Editor", which must be a SpiceDB relation/],
    ['@elevation("editor by owner for 1h if read")', 'edit', /is for "1h", which is no duration such as PT1H/],
    ['@elevation("editor by owner for PT59S if read")', 'edit', /must be between PT1M and P30D/],
    ['@elevation("editor by owner for P31D if read")', 'edit', /must be between PT1M and P30D/],
    ['@elevation("edtor by owner for PT1H if read")', 'edit', /has no relation "edtor".*did you mean "editor"/s],
    ['@elevation("write by owner for PT1H if read")', 'edit', /has no relation "write"/],
    ['@elevation("editor by ownr for PT1H if read")', 'edit', /no permission or relation "ownr".*did you mean "owner"/s],
    ['@elevation("editor by owner for PT1H if raed")', 'edit', /no permission or relation "raed".*did you mean "read"/s],
    ['@elevation("owner by owner for PT1H if read")', 'edit', /"owner" of "doc" does not take users until an end: write "relation owner: … \| user with expiration"/],
    ['@elevation("cleared by owner for PT1H if read")', 'edit', /"cleared" of "doc" does not give "edit" alone/],
    ['@elevation("editor by owner for PT1H if read")', 'publish', /does not give "publish" alone/],
    ['@elevation("editor by owner for PT1H if read")', 'shred', /does not give "shred" alone/],
    ['@elevation("editor by owner for PT1H if read")', 'file', /does not give "file" alone/],
    ['@elevations("editor by owner for PT1H if read")', 'edit', /"@elevations" is not known.*did you mean "@elevation"/s],
    ['@emergency("ownr")', 'edit', /no permission or relation "ownr".*did you mean "owner"/s],
    ['@emergency("Owner")', 'edit', /@emergency "Owner" must be a SpiceDB relation/],
  ])('%s on %s is refused with its place and a cure', (annotations, action, expected) => {
    expect(refusal(() => vocabularyOf(schemaOf(annotations, action), ZED))).toMatch(expected);
  }); // prettier-ignore
});
