// Naming a message of each file also links the file's descriptor into the binary.

#include "server/services/catalog.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "rasputin/admin/v1/admin.pb.h"
#include "rasputin/kv/v1/kv.pb.h"
#include "rasputin/v1/error.pb.h"

namespace rasputin::server {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;

constexpr int kInvalidArgument = 3;
constexpr int kNotFound = 5;

void SetError(int code, const std::string& message, ServerReflectionResponse* response) {
  response->mutable_error_response()->set_error_code(code);
  response->mutable_error_response()->set_error_message(message);
}

// The file and everything that it imports, each once.
void AddWithImports(const FileDescriptor* file, std::set<const FileDescriptor*>* added,
                    ServerReflectionResponse* response) {
  if (!added->insert(file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file->CopyTo(&proto);
  response->mutable_file_descriptor_response()->add_file_descriptor_proto(
      proto.SerializeAsString());
  for (int i = 0; i < file->dependency_count(); ++i) {
    AddWithImports(file->dependency(i), added, response);
  }
}

void AnswerFile(const FileDescriptor* file, ServerReflectionResponse* response) {
  if (file == nullptr) {
    SetError(kNotFound, "no such file, symbol or extension", response);
    return;
  }
  std::set<const FileDescriptor*> added;
  AddWithImports(file, &added, response);
}

}  // namespace

Catalog::Catalog() {
  AddFile(kv::v1::GetRequest::descriptor()->file());
  AddFile(admin::v1::InitRequest::descriptor()->file());
  AddFile(grpc::health::v1::HealthCheckRequest::descriptor()->file());
  AddFile(grpc::reflection::v1::ServerReflectionRequest::descriptor()->file());
  AddFile(grpc::reflection::v1alpha::ServerReflectionRequest::descriptor()->file());
  // Declares no service, but clients need it to read the details of errors.
  rasputin::v1::ErrorDetail::descriptor();
  std::sort(services_.begin(), services_.end());
}

void Catalog::AddFile(const FileDescriptor* file) {
  for (int s = 0; s < file->service_count(); ++s) {
    const google::protobuf::ServiceDescriptor* service = file->service(s);
    services_.push_back(service->full_name());
    for (int m = 0; m < service->method_count(); ++m) {
      const google::protobuf::MethodDescriptor* method = service->method(m);
      const std::string path = absl::StrCat("/", service->full_name(), "/", method->name());
      const CallShape shape = method->client_streaming()   ? CallShape::kDialogue
                              : method->server_streaming() ? CallShape::kServerStream
                                                           : CallShape::kUnary;
      if (shape == CallShape::kUnary && service->full_name() == "rasputin.kv.v1.KvService") {
        frequent_.push_back(path);
      } else {
        others_[path] = shape;
      }
    }
  }
}

absl::Cord Catalog::Reflect(const absl::Cord& request) const {
  ServerReflectionResponse response;
  ServerReflectionRequest* question = response.mutable_original_request();
  if (!question->ParseFromString(std::string(request))) {
    question->Clear();
    SetError(kInvalidArgument, "not a ServerReflectionRequest", &response);
    return absl::Cord(response.SerializeAsString());
  }
  response.set_valid_host(question->host());
  const DescriptorPool* pool = DescriptorPool::generated_pool();
  switch (question->message_request_case()) {
    case ServerReflectionRequest::kListServices:
      response.mutable_list_services_response();
      for (const std::string& name : services_) {
        response.mutable_list_services_response()->add_service()->set_name(name);
      }
      break;
    case ServerReflectionRequest::kFileByFilename:
      AnswerFile(pool->FindFileByName(question->file_by_filename()), &response);
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      AnswerFile(pool->FindFileContainingSymbol(question->file_containing_symbol()), &response);
      break;
    case ServerReflectionRequest::kFileContainingExtension:
      AnswerFile(nullptr, &response);
      break;
    case ServerReflectionRequest::kAllExtensionNumbersOfType: {
      const std::string& type = question->all_extension_numbers_of_type();
      if (pool->FindMessageTypeByName(type) == nullptr) {
        AnswerFile(nullptr, &response);
      } else {
        response.mutable_all_extension_numbers_response()->set_base_type_name(type);
      }
      break;
    }
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      SetError(kInvalidArgument, "the request asks for nothing", &response);
      break;
  }
  return absl::Cord(response.SerializeAsString());
}

}  // namespace rasputin::server
