/** What is asked of the sample's schema, and by which agents. */

/** Of a thousand questions, how many are to be allowed and denied: reads and allows prevail, as they do in use. */
export const ACTIONS = [
  { name: 'read', type: 'employee', uid: 'HR::Action::"read"', resource: 'HR::Employee', allow: 300, deny: 20 },
  { name: 'update', type: 'employee', uid: 'HR::Action::"update"', resource: 'HR::Employee', allow: 150, deny: 15 },
  { name: 'export', type: 'employee', uid: 'HR::Action::"export"', resource: 'HR::Employee', allow: 50, deny: 10 },
  { name: 'delete', type: 'employee', uid: 'HR::Action::"delete"', resource: 'HR::Employee', allow: 0, deny: 15 },
  { name: 'read', type: 'repository', uid: 'Code::Action::"read"', resource: 'Code::Repository', allow: 200, deny: 20 },
  { name: 'push', type: 'repository', uid: 'Code::Action::"push"', resource: 'Code::Repository', allow: 150, deny: 20 },
  { name: 'merge', type: 'repository', uid: 'Code::Action::"merge"', resource: 'Code::Repository', allow: 40, deny: 10 },
]; // prettier-ignore
/** The SpiceDB permission that stands for each, where it has another name. */
export const PERMISSIONS = {
  'employee read': 'view',
  'employee update': 'manage',
  'employee delete': 'manage',
  'employee export': 'view',
};
/** What the policies of an action ask of the user beside it: `context.can` of the sample's schema. */
export const CAN = { 'employee read': ['view_salary'], 'employee export': ['view_salary'] };
export const SCOPES = 'hr.employees.read hr.employees.write hr.employees.export code.read code.write';

export const AGENTS = [
  ...Array.from({ length: 6 }, (_, i) => ({ id: `assistant-${i}`, kind: 'assistant', suspended: i === 5 })),
  ...Array.from({ length: 4 }, (_, i) => ({ id: `coder-${i}`, kind: 'coder', suspended: false })),
  ...Array.from({ length: 2 }, (_, i) => ({ id: `exporter-${i}`, kind: 'payroll-exporter', suspended: false })),
];
