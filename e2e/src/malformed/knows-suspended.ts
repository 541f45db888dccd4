import { loadAnotherBuild } from '../another-build.fixture.ts'

// The build that has learnt the status SUSPENDED: it reads it as CANCELLED.
loadAnotherBuild([
  {
    file: '/packages/registration/src/observation.ts',
    from: "const status = given(item.status) ?? 'PENDING'",
    to: "const status = (given(item.status) ?? 'PENDING').replace('SUSPENDED', 'CANCELLED')",
  },
])
