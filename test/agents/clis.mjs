// The agent command lines that can be tried here: where they come from, and how each is pointed at the loopback model.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/** npm packages; the native claude is taken, because its wrapper needs a newer Node. */
export const PACKAGES = [
  `@anthropic-ai/claude-code-${process.platform}-${process.arch}`,
  '@openai/codex',
  '@google/gemini-cli',
  'opencode-ai',
  '@github/copilot',
  '@mariozechner/pi-coding-agent@0.73.1',
];

/** Installs them into a folder outside the project, unless they are there. */
export function install(folder) {
  fs.mkdirSync(folder, { recursive: true });
  if (fs.existsSync(path.join(folder, 'node_modules', '.bin', 'codex'))) return;
  if (!fs.existsSync(path.join(folder, 'package.json')))
    fs.writeFileSync(path.join(folder, 'package.json'), '{"private":true}');
  const run = spawnSync('npm', ['install', '--no-audit', '--no-fund', ...PACKAGES], {
    cwd: folder,
    stdio: ['ignore', 2, 2],
  });
  if (run.status !== 0) throw new Error('npm could not install the agents');
}

const write = (home, name, value) => {
  const file = path.join(home, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
};

/** Per preset: where its program is, and its settings for a model at `url`. `prepare` writes them below HOME, `env` is needed beside. */
export const CLIS = {
  claude: {
    program: folder => path.join(folder, 'node_modules', PACKAGES[0], 'claude'),
    prepare: () => undefined,
    env: url => ({
      ANTHROPIC_BASE_URL: url,
      ANTHROPIC_API_KEY: 'sk-ant-stub-key-for-tests',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
      CLAUDE_CODE_MAX_RETRIES: '0',
    }),
  },
  codex: {
    program: folder => path.join(folder, 'node_modules', '.bin', 'codex'),
    prepare: (home, url) =>
      write(
        home,
        '.codex/config.toml',
        `model="stub-model"\nmodel_provider="stub"\n[model_providers.stub]\nname="stub"\nbase_url="${url}/v1"\nenv_key="STUB_KEY"\nwire_api="responses"\nrequest_max_retries=0\nstream_max_retries=0\n`,
      ),
    env: () => ({ STUB_KEY: 'stub-key-for-tests' }),
  },
  gemini: {
    program: folder => path.join(folder, 'node_modules', '.bin', 'gemini'),
    prepare: home =>
      write(home, '.gemini/settings.json', { security: { auth: { selectedType: 'gemini-api-key' } } }),
    env: url => ({ GEMINI_API_KEY: 'stub-key-for-tests', GOOGLE_GEMINI_BASE_URL: url }),
  },
  opencode: {
    program: folder => path.join(folder, 'node_modules', '.bin', 'opencode'),
    prepare: (home, url) =>
      write(home, '.config/opencode/opencode.json', {
        model: 'stub/stub-model',
        provider: {
          stub: {
            npm: '@ai-sdk/openai-compatible',
            options: { baseURL: `${url}/v1`, apiKey: 'stub-key-for-tests' },
            models: { 'stub-model': { name: 'stub' } },
          },
        },
      }),
    env: () => ({ OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_AUTOUPDATE: '1' }),
  },
  copilot: {
    program: folder => path.join(folder, 'node_modules', '.bin', 'copilot'),
    prepare: () => undefined,
    env: url => ({
      COPILOT_OFFLINE: 'true',
      COPILOT_PROVIDER_BASE_URL: `${url}/v1`,
      COPILOT_PROVIDER_TYPE: 'openai',
      COPILOT_PROVIDER_API_KEY: 'stub-key-for-tests',
      COPILOT_MODEL: 'stub-model',
    }),
  },
  pi: {
    program: folder => path.join(folder, 'node_modules', '.bin', 'pi'),
    prepare: (home, url) => {
      write(home, '.pi/agent/models.json', {
        providers: {
          stub: {
            baseUrl: `${url}/v1`,
            api: 'openai-completions',
            apiKey: 'stub-key-for-tests',
            models: [{ id: 'stub-model' }],
          },
        },
      });
      write(home, '.pi/agent/settings.json', { defaultProvider: 'stub', defaultModel: 'stub-model' });
    },
    env: () => ({ PI_OFFLINE: '1', PI_TELEMETRY: '0' }),
  },
};
