#!/usr/bin/env python3
"""Writes the templates of the Helm chart, k8s/chart, from the manifests that kustomize composes.

python tools/make_chart.py            writes them
python tools/make_chart.py --check    exit status 1 when they are not what it would write

A manifest is changed in its folder under k8s. What a chart lets people set stands here, as replacements of its text;
one that no longer finds its text is an error, so that no value loses its effect unseen. The language of the templates
is kept to what tests/kubernetes/templates.py reads.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
K8S = ROOT / "k8s"
CHART = K8S / "chart"

_HEAD = "{{- /* Written by tools/make_chart.py from k8s/%s: change that, then run it. */ -}}\n"
_SETTINGS = "homa-settings-{{ $.Values.settings | sha256sum | trunc 10 }}"
#: Text of any manifest -> what stands for it in its template.
_EVERYWHERE = {
    "image: homa\n": 'image: "{{ $.Values.image.repository }}:{{ $.Values.image.tag | default $.Chart.AppVersion }}"\n',
    "            name: homa-settings\n": f"            name: {_SETTINGS}\n",
    "                  name: homa-store\n": "                  name: {{ $.Values.store.secret }}\n",
    "terminationGracePeriodSeconds: 660\n": "terminationGracePeriodSeconds: {{ $.Values.gracePeriodSeconds }}\n",
}
_WORKER_RESOURCES = """\
            requests:
              cpu: 250m
              memory: 256Mi
            limits:
              memory: 1Gi
"""
_STORE_RESOURCES = """\
            requests:
              cpu: 250m
              memory: 1280Mi
            limits:
              memory: 2Gi
"""
_HOOK = """\
  annotations:
    # After each install and upgrade, in the place of the Job before: a Job cannot be changed.
    helm.sh/hook: post-install,post-upgrade
    helm.sh/hook-delete-policy: before-hook-creation
"""
_SEALED = """\
%(margin)s{{- if $.Values.encryption.enabled }}
%(text)s
%(margin)s{{- end }}
"""


def _if_sealed(before: str, text: str) -> dict[str, str]:
    """What k8s/encryption/mount.yaml puts behind a line, where encryption is on."""
    margin = " " * (len(text) - len(text.lstrip()))
    return {before: before + _SEALED % {"margin": margin, "text": text}}


#: Of each process that writes or reads content.
_ENCRYPTION = {
    **_if_sealed("        runAsGroup: 10001\n", "        fsGroup: 10001"),
    **_if_sealed(
        "          env:\n",
        """\
            - name: HOMA_ENCRYPTION_KEYS_FILE
              value: /run/secrets/homa-encryption/keys""",
    ),
    **_if_sealed(
        "          volumeMounts:\n",
        """\
            - name: encryption
              mountPath: /run/secrets/homa-encryption
              readOnly: true""",
    ),
    **_if_sealed(
        "      volumes:\n",
        """\
        - name: encryption
          secret:
            secretName: {{ $.Values.encryption.secret }}
            defaultMode: 0440
            items:
              - key: {{ $.Values.encryption.key }}
                path: keys""",
    ),
}


@dataclass(frozen=True)
class Template:
    """One template.

    Args:
        source: the manifest below k8s.
        replaced: text -> what stands for it.
        when: the value without which it is left out.
        each: it stands once for each provider.
    """

    source: str
    replaced: Mapping[str, str] = field(default_factory=dict)
    when: str = ""
    each: bool = False

    @property
    def path(self) -> Path:
        return CHART / "templates" / self.source.replace("workers/openai/", "worker-").replace("/", "-")

    def text(self) -> str:
        """The template. Raises ValueError where a replacement finds nothing to replace."""
        text = (K8S / self.source).read_text(encoding="utf-8")
        for old, new in _EVERYWHERE.items():
            text = text.replace(old, new)
        for old, new in self.replaced.items():
            if old not in text:
                raise ValueError(f"k8s/{self.source} has no {old!r}, which tools/make_chart.py replaces: mend either")
            text = text.replace(old, new)
        if self.each:
            text = f"{{{{- range $name, $provider := $.Values.providers }}}}\n---\n{text}{{{{- end }}}}\n"
        if self.when:
            text = f"{{{{- if {self.when} }}}}\n{text}{{{{- end }}}}\n"
        return _HEAD % self.source + text


_PROVIDER = {"worker-openai": "worker-{{ $name }}", "component: openai": "component: {{ $name }}"}
_GATEWAY, _INTERNAL = "$.Values.gateway.enabled", "$.Values.store.internal"
_MONITORING = "$.Values.monitoring.enabled"

TEMPLATES: Sequence[Template] = (
    Template("base/ticker.yaml", _ENCRYPTION),
    Template("base/metrics.yaml"),
    Template("base/networkpolicies.yaml", {"name: monitoring\n": "name: {{ $.Values.monitoring.namespace }}\n"}),
    Template(
        "workers/openai/deployment.yaml",
        {
            **_PROVIDER,
            **_ENCRYPTION,
            "[worker, openai, ": "[worker, {{ $name }}, ",
            '--concurrency, "500"]': '--concurrency, "{{ $provider.concurrency }}"]',
            "- name: OPENAI_API_KEY\n": "- name: {{ $provider.variable }}\n",
            "name: homa-openai\n": "name: {{ $provider.secret }}\n",
            "key: api-key\n": "key: {{ $provider.key }}\n",
            _WORKER_RESOURCES: "            {{- toYaml $provider.resources | nindent 12 }}\n",
        },
        each=True,
    ),
    Template("workers/openai/poddisruptionbudget.yaml", _PROVIDER, each=True),
    Template(
        "autoscaling/openai.yaml",
        {
            **_PROVIDER,
            "minReplicaCount: 0": "minReplicaCount: {{ $provider.minReplicas }}",
            "maxReplicaCount: 20": "maxReplicaCount: {{ $provider.maxReplicas }}",
            "http://prometheus-operated.monitoring.svc:9090": "{{ $.Values.autoscaling.prometheus }}",
            'namespace="homa",provider="openai"': 'namespace="{{ $.Values.homaNamespace }}",provider="{{ $name }}"',
        },
        when="$.Values.autoscaling.enabled",
        each=True,
    ),
    Template(
        "gateway/deployment.yaml",
        {**_ENCRYPTION, "replicas: 2": "replicas: {{ $.Values.gateway.replicas }}"},
        when=_GATEWAY,
    ),
    Template("gateway/service.yaml", when=_GATEWAY),
    Template(
        "gateway/ingress.yaml",
        {
            "homa.example.com": "{{ $.Values.gateway.host }}",
            "homa-gateway-tls": "{{ $.Values.gateway.tlsSecret }}",
            "ingressClassName: nginx": "ingressClassName: {{ $.Values.gateway.ingressClass }}",
            'proxy-read-timeout: "660"': 'proxy-read-timeout: "{{ $.Values.gracePeriodSeconds }}"',
        },
        when=_GATEWAY,
    ),
    Template("gateway/poddisruptionbudget.yaml", when=_GATEWAY),
    Template(
        "gateway/networkpolicy.yaml",
        {"name: ingress-nginx\n": "name: {{ $.Values.gateway.ingressNamespace }}\n"},
        when=_GATEWAY,
    ),
    Template(
        "store/statefulset.yaml",
        {
            "valkey/valkey:8.1.4-alpine": "{{ $.Values.store.image }}",
            "- 1gb\n": '- "{{ $.Values.store.maxmemory }}"\n',
            "storage: 10Gi": "storage: {{ $.Values.store.storage }}",
            _STORE_RESOURCES: "            {{- toYaml $.Values.store.resources | nindent 12 }}\n",
        },
        when=_INTERNAL,
    ),
    Template("store/service.yaml", when=_INTERNAL),
    Template("store/networkpolicies.yaml", when=_INTERNAL),
    Template(
        "external-store/networkpolicy.yaml",
        {
            """\
        - ipBlock:
            cidr: 10.0.0.0/8
""": """\
        {{- range $address := $.Values.store.addresses }}
        - ipBlock:
            cidr: {{ $address }}
        {{- end }}
""",
            """\
        - port: 6379
        - port: 6380
        - port: 26379
""": """\
        {{- range $port := $.Values.store.ports }}
        - port: {{ $port }}
        {{- end }}
""",
        },
        when=f"not {_INTERNAL}",
    ),
    Template(
        "apply/job.yaml",
        {**_ENCRYPTION, "name: homa-apply-$(SETTINGS)\n": f"name: homa-apply-{_SETTINGS}\n{_HOOK}"},
    ),
    Template("monitoring/scraping.yaml", when=_MONITORING),
)

#: What no manifest is the source of: generators of kustomize, and a file whose text is a template of its own.
OWN = {
    "settings.yaml": f"""\
apiVersion: v1
kind: ConfigMap
metadata:
  # The name carries a hash of the content: a changed homa.toml rolls the pods.
  name: {_SETTINGS}
data:
  # As JSON, which is YAML: whatever it begins with or holds, it arrives as it is.
  homa.toml: {{{{ $.Values.settings | toJson }}}}
""",
    "monitoring-alerts.yaml": f"""\
{{{{- if {_MONITORING} }}}}
{{{{ $.Files.Get "files/alerts.yaml" }}}}
{{{{- end }}}}
""",
    "monitoring-dashboard.yaml": f"""\
{{{{- if {_MONITORING} }}}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: homa-dashboard
  labels:
    app.kubernetes.io/part-of: homa
    grafana_dashboard: "1"
data:
  homa.json: |
    {{{{- $.Files.Get "files/homa.json" | nindent 4 }}}}
{{{{- end }}}}
""",
}
#: Copies that templates read as they are.
COPIES = ("alerts.yaml", "homa.json")


def files() -> Iterator[tuple[Path, str]]:
    """Everything of the chart that is written here: paths and texts."""
    for template in TEMPLATES:
        yield template.path, template.text()
    for name, text in OWN.items():
        yield CHART / "templates" / name, "{{- /* Written by tools/make_chart.py. */ -}}\n" + text
    for name in COPIES:
        yield CHART / "files" / name, (K8S / "monitoring" / name).read_text(encoding="utf-8")


def main() -> int:
    made = dict(files())
    stray = [path for path in (CHART / "templates").glob("*") if path not in made]
    if "--check" in sys.argv[1:]:
        old = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
        for path in [*old, *stray]:
            print(f"{path.relative_to(ROOT)} is not current: run python tools/make_chart.py", file=sys.stderr)
        return 1 if old or stray else 0
    for path in stray:
        path.unlink()
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
