import { loadAnotherBuild } from '../another-build.fixture.ts'

// The next build: its fold has the next version, and shows another collective status than this one.
loadAnotherBuild([
  { file: '/packages/registration/src/fold.ts', from: 'foldVersion = 2', to: 'foldVersion = 3' },
  {
    file: '/packages/registration/src/view.ts',
    from: 'collectiveStatus: visible.collectiveStatus,',
    to: "collectiveStatus: visible.collectiveStatus === 'PENDING' ? null : visible.collectiveStatus,",
  },
])
