# The platform's image: one for the application, the workers, the scheduler and the migration.
# For a torch of other hardware than the default index serves, pass PIP_EXTRA_INDEX_URL (see requirements.env.*.txt).

FROM python:3.11-slim-bookworm AS installed
ARG PIP_INDEX_URL=
ARG PIP_EXTRA_INDEX_URL=
RUN python -m venv /opt/ami-learning
WORKDIR /source
COPY . .
# The pins are a constraint here, not a list: the image holds what runs, and none of the development tools.
RUN /opt/ami-learning/bin/pip install --no-cache-dir --constraint requirements.pinned.txt .

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --create-home --home-dir /var/lib/ami-learning ami
COPY --from=installed /opt/ami-learning /opt/ami-learning
ENV PATH=/opt/ami-learning/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LEARNING_HOME=/var/lib/ami-learning
USER ami
WORKDIR /var/lib/ami-learning
# A fresh volume takes this over: the folder for dataset files, owned by the platform's user.
RUN mkdir inbox
VOLUME /var/lib/ami-learning
ENTRYPOINT ["ami-learning"]
CMD ["serve"]
