# gapscope as a container: `docker build -t gapscope .`, or for GPUs `docker build --build-arg DEVICE=cuda -t gapscope:cuda .`
FROM python:3.12-slim
# cpu or cuda, and what docs/install.md lists, with commas between.
ARG DEVICE=cpu
ARG EXTRAS=all
WORKDIR /app
# PyPI's wheels of PyTorch bring the libraries of GPUs, those of its own index do not.
RUN if [ "$DEVICE" = cpu ]; then case ",$EXTRAS," in *,all,*|*,images,*|*,generate,*) \
      pip install --no-cache-dir torch torchvision --index-url https://download.pytorch.org/whl/cpu ;; esac; fi
COPY pyproject.toml setup.py README.md LICENSE ./
COPY engine engine
COPY jobs jobs
COPY schemas schemas
RUN pip install --no-cache-dir ".[$EXTRAS]"
# What the container runtime of NVIDIA looks for; without a GPU it says nothing.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN useradd --create-home gapscope
USER gapscope
CMD ["gapscope", "--help"]
