# One image, several commands: `evident serve`, `evident serve --part api|ui`, `evident worker`.
FROM python:3.11-slim

RUN useradd --create-home --uid 10001 evident && mkdir /data && chown evident /data
WORKDIR /app
COPY pyproject.toml constraints.txt README.md ./
COPY app app
COPY backend backend
COPY frontend frontend
COPY models models
RUN pip install --no-cache-dir --constraint constraints.txt --editable '.[postgres,cluster]'

USER evident
ENV EVIDENT_DATA=/data PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8050
CMD ["evident", "serve", "--host", "0.0.0.0"]
