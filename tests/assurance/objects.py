"""Small manifests to judge: one workload with everything that a pod can refer to."""

from copy import deepcopy
from typing import Any

import yaml

GOOD = """
kind: ServiceAccount
metadata: {name: zep}
---
kind: PriorityClass
metadata: {name: memory}
---
kind: ConfigMap
metadata: {name: config}
data: {zep.yaml: "x"}
---
kind: SecretProviderClass
metadata: {name: zep-secrets}
spec:
  parameters:
    keyvaultName: vault-1
    objects: |
      array:
        - |
          objectName: engram-dev-a1b2c-zep-api-key
          objectAlias: zep-api-key
          objectType: secret
  secretObjects:
    - secretName: zep-secrets
      data: [{key: zep-api-key, objectName: zep-api-key}]
---
kind: StorageClass
metadata: {name: encrypted}
---
kind: Service
metadata: {name: zep-api}
spec:
  clusterIP: None
  selector: {app.kubernetes.io/name: zep}
  ports: [{port: 8000, targetPort: http}]
---
kind: HorizontalPodAutoscaler
metadata: {name: zep}
spec: {scaleTargetRef: {kind: StatefulSet, name: zep-api}}
---
kind: PodDisruptionBudget
metadata: {name: zep}
spec: {selector: {matchLabels: {app.kubernetes.io/name: zep}}}
---
kind: StatefulSet
metadata: {name: zep-api, generation: 1}
spec:
  serviceName: zep-api
  replicas: 2
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {storageClassName: encrypted}
  template:
    metadata: {labels: {app.kubernetes.io/name: zep}}
    spec:
      serviceAccountName: zep
      priorityClassName: memory
      initContainers:
        - name: pooler
          volumeMounts: [{name: secrets, mountPath: /s}]
      containers:
        - name: zep
          ports: [{name: http, containerPort: 8000}]
          env:
            - name: KEY
              valueFrom: {secretKeyRef: {name: zep-secrets, key: zep-api-key}}
          livenessProbe: {httpGet: {port: http, path: /healthz}}
          volumeMounts: [{name: config, mountPath: /c}, {name: data, mountPath: /d}]
      volumes:
        - name: config
          configMap: {name: config, items: [{key: zep.yaml, path: zep.yaml}]}
        - name: secrets
          csi:
            driver: secrets-store.csi.k8s.io
            volumeAttributes: {secretProviderClass: zep-secrets}
status: {observedGeneration: 1, readyReplicas: 2, updatedReplicas: 2}
"""

VAULTS = {"vault-1": frozenset({"engram-dev-a1b2c-zep-api-key"})}


def good() -> dict[str, dict[str, Any]]:
    """Return fresh objects by kind; of each kind there is one."""
    return {item["kind"]: deepcopy(item) for item in yaml.safe_load_all(GOOD)}
